//! Where a process waits for connections from this machine.

use std::collections::HashSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The kernel's number of a socket's state: it listens.
const LISTENS: &str = "0A";

/// Loopback addresses at which `pid` listens, in the order of the kernel's tables. Sockets of another network than ours
/// aren't among them: the same address is somebody else there.
pub fn listens(pid: u32) -> Vec<SocketAddr> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else { return vec![] };
    let inode = |entry: fs::DirEntry| {
        let link = fs::read_link(entry.path()).ok()?;
        link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
    };
    let held: HashSet<u64> = entries.flatten().filter_map(inode).collect();
    if held.is_empty() {
        return vec![];
    }
    let tables = ["/proc/self/net/tcp", "/proc/self/net/tcp6"].map(|path| fs::read_to_string(path).unwrap_or_default());
    tables.iter().flat_map(|table| listening(table)).filter(|(_, at)| held.contains(at)).map(|(to, _)| to).collect()
}

/// From a table like `/proc/net/tcp`: what can be reached over loopback, and the inode of its socket.
fn listening(table: &str) -> impl Iterator<Item = (SocketAddr, u64)> + '_ {
    table.lines().skip(1).filter_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
        if *state != LISTENS {
            return None;
        }
        let (address, port) = local.split_once(':')?;
        let port = u16::from_str_radix(port, 16).ok()?;
        Some((SocketAddr::new(reached_at(parse(address)?)?, port), inode.parse().ok()?))
    })
}

/// The address as the kernel prints it: words of 32 bits, each a number in this machine's order of bytes.
fn parse(hex: &str) -> Option<IpAddr> {
    let words = hex.as_bytes().chunks(8).map(|word| {
        let number = u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok()?;
        Some(number.to_ne_bytes())
    });
    let bytes = words.collect::<Option<Vec<_>>>()?.concat();
    <[u8; 4]>::try_from(bytes.as_slice())
        .map(|four| Ipv4Addr::from(four).into())
        .or_else(|_| <[u8; 16]>::try_from(bytes.as_slice()).map(|all| Ipv6Addr::from(all).into()))
        .ok()
}

/// Where on loopback that is; `None`: nowhere.
fn reached_at(address: IpAddr) -> Option<IpAddr> {
    let address = address.to_canonical();
    match address {
        // Most that listen to everything over IPv6 are reached over IPv4 too, but not all.
        IpAddr::V6(any) if any.is_unspecified() => Some(Ipv6Addr::LOCALHOST.into()),
        IpAddr::V4(any) if any.is_unspecified() => Some(Ipv4Addr::LOCALHOST.into()),
        address => address.is_loopback().then_some(address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn the_kernels_tables_are_read() {
        let head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
        let line = |local: &str, state: &str| {
            format!(
                "   0: {local} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000     0        0 77 1 0 100\n"
            )
        };
        let table = [
            ("0100007F:1F90", "0A", Some("127.0.0.1:8080")),
            ("00000000:0016", "0A", Some("127.0.0.1:22")),
            ("0100007F:1F90", "01", None),
            ("0500000A:1F90", "0A", None),
            ("00000000000000000000000001000000:1000", "0A", Some("[::1]:4096")),
            ("00000000000000000000000000000000:1000", "0A", Some("[::1]:4096")),
            ("0000000000000000FFFF00000100007F:1000", "0A", Some("127.0.0.1:4096")),
            ("zz:1000", "0A", None),
            ("00:", "0A", None),
        ];
        for (local, state, expected) in table {
            let text = format!("{head}{}", line(local, state));
            let found: Vec<_> = listening(&text).collect();
            let expected: Vec<_> = expected.iter().map(|at| (at.parse().unwrap(), 77)).collect();
            assert_eq!(found, expected, "{local}");
        }
        assert_eq!(listening("").count() + listening(head).count() + listening("\n1: a\n").count(), 0);
    }
}
