//! Which options of which program take their value from the next word. Where a program isn't listed, none do.

/// A program's options that take a value. Letters stand for short options, `|` separates long ones.
#[derive(Clone, Copy)]
pub(super) struct Options {
    /// Only before the first word that is no option.
    pub early: (&'static str, &'static str),
    /// Anywhere.
    pub any: (&'static str, &'static str),
    /// Long options have one dash (`-delete`), so `-rf` isn't `-r -f`.
    pub single: bool,
}

const fn any(short: &'static str, long: &'static str) -> Options {
    Options { early: ("", ""), any: (short, long), single: false }
}

const fn single(long: &'static str) -> Options {
    Options { early: ("", ""), any: ("", long), single: true }
}

const fn early(early: (&'static str, &'static str), short: &'static str, long: &'static str) -> Options {
    Options { early, any: (short, long), single: false }
}

const GIT: Options = early(
    ("Cc", "--git-dir|--work-tree|--namespace|--super-prefix|--config-env|--attr-source"),
    "mo",
    "--message|--file|--author|--date|--grep|--branch|--push-option|--receive-pack|--upload-pack|--depth|--trailer",
);
const DOCKER: Options = early(
    ("Hcl", "--host|--context|--config|--log-level|--tlscacert|--tlscert|--tlskey|--url|--connection|--root"),
    "",
    "--name|--filter|--format|--file|--tag|--env|--volume|--network|--platform|--build-arg",
);
const COMPOSE: Options = early(
    ("fp", "--file|--project-name|--profile|--env-file|--project-directory|--ansi|--parallel|--progress"),
    "",
    "--timeout|--scale",
);
const CURL: Options = any(
    "AbcCdDeEFHKmoPQrTtuUwxXyYz",
    "--request|--data|--data-raw|--data-binary|--data-ascii|--data-urlencode|--form|--form-string|--json|--header|\
     --output|--user|--url|--upload-file|--user-agent|--cookie|--cookie-jar|--max-time|--connect-timeout|--retry|\
     --retry-delay|--retry-max-time|--proxy|--cacert|--cert|--key|--referer|--write-out|--resolve|--range|--config|\
     --dump-header|--limit-rate|--unix-socket|--interface|--max-redirs|--output-dir|--proxy-user|--oauth2-bearer|\
     --aws-sigv4|--connect-to|--stderr|--trace|--trace-ascii|--ciphers",
);
const WGET: Options = any(
    "OoPaiUeQTtw",
    "--post-data|--post-file|--method|--body-data|--body-file|--header|--output-document|--directory-prefix|\
     --user-agent|--user|--password|--tries|--timeout|--wait|--referer|--output-file|--input-file",
);
const PSQL: Options =
    any("cdfhpUvoPRTFL", "--command|--dbname|--host|--port|--username|--file|--set|--variable|--output|--log-file");
const RSYNC: Options = any(
    "efBTM",
    "--rsh|--exclude|--include|--exclude-from|--files-from|--include-from|--rsync-path|--bwlimit|--filter|--chown|\
     --chmod|--port|--log-file|--temp-dir|--partial-dir|--backup-dir|--password-file|--timeout",
);
const KUBECTL: Options = any(
    "nlocsv",
    "--namespace|--context|--kubeconfig|--as|--as-group|--as-uid|--cluster|--user|--server|--token|--selector|\
     --output|--container|--field-selector|--grace-period|--timeout|--filename|--request-timeout|--cache-dir",
);
const HELM: Options = any(
    "nf",
    "--namespace|--kube-context|--kubeconfig|--kube-apiserver|--kube-token|--version|--values|--set|--set-string|--timeout",
);
const TERRAFORM: Options = single(
    "-chdir|-var|-var-file|-target|-replace|-state|-state-out|-out|-backend-config|-lock-timeout|-parallelism|-backup",
);
const CARGO: Options = early(
    ("CZ", "--config|--color"),
    "pFj",
    "--manifest-path|--target-dir|--package|--features|--token|--registry|--index|--target|--profile|--jobs|--config|\
     --color|--exclude|--bin|--example|--test|--bench|--vers|--version",
);
const NPM: Options = any(
    "wC",
    "--prefix|--workspace|--registry|--tag|--otp|--access|--userconfig|--cache|--loglevel|--scope|--package|--dir",
);
const PNPM: Options = any("CF", "--dir|--filter|--registry|--tag|--otp|--access|--reporter|--loglevel");
const PIP: Options = any(
    "rcite",
    "--requirement|--constraint|--index-url|--extra-index-url|--target|--editable|--python|--log|--proxy|--cache-dir|\
     --find-links|--prefix|--root",
);
const GH: Options = any(
    "RXHbtqB",
    "--repo|--method|--hostname|--title|--body|--body-file|--header|--jq|--template|--base|--head|--label|--assignee|\
     --reviewer|--notes|--notes-file|--target|--field|--raw-field|--input",
);
const AWS: Options = any(
    "",
    "--profile|--region|--output|--endpoint-url|--query|--cli-input-json|--ca-bundle|--color|--cli-read-timeout|\
     --cli-connect-timeout",
);
const GCLOUD: Options = any(
    "",
    "--project|--account|--configuration|--format|--zone|--region|--impersonate-service-account|--billing-project|\
     --verbosity|--filter|--log-http",
);
const NONE: Options = any("", "");

/// What is known of `program`.
pub(super) fn of(program: &str) -> Options {
    match program {
        "git" => GIT,
        "docker" | "podman" | "nerdctl" => DOCKER,
        "docker-compose" | "podman-compose" => COMPOSE,
        "tmux" => early(("LSfcT", ""), "", ""),
        "curl" => CURL,
        "wget" => WGET,
        "kubectl" | "oc" => KUBECTL,
        "helm" => HELM,
        "terraform" | "tofu" | "terragrunt" => TERRAFORM,
        "cargo" => CARGO,
        "npm" => NPM,
        "pnpm" => PNPM,
        "yarn" | "bun" => any("", "--cwd|--registry|--tag|--otp|--access|--filter"),
        "pip" | "pip3" => PIP,
        "uv" => {
            any("p", "--directory|--project|--python|--index|--index-url|--publish-url|--token|--config-file|--color")
        }
        "twine" => any("rup", "--repository|--repository-url|--username|--password|--config-file"),
        "gem" => any("k", "--key|--host|--otp"),
        "gh" | "glab" => GH,
        "aws" => AWS,
        "gcloud" | "gsutil" => GCLOUD,
        "az" => any("gno", "--subscription|--resource-group|--name|--output|--query|--location"),
        "pulumi" => any("sCm", "--stack|--cwd|--message|--color|--config-file"),
        "fly" | "flyctl" | "heroku" => any("ac", "--app|--config|--access-token|--org"),
        "vercel" | "netlify" | "wrangler" | "firebase" => {
            any("tSAce", "--token|--scope|--cwd|--config|--env|--project|--site")
        }
        "make" | "gmake" => any("CfIoW", "--directory|--file|--makefile|--include-dir"),
        _ => of_plain(program),
    }
}

/// The programs that talk to databases and machines, and those that work on files.
fn of_plain(program: &str) -> Options {
    match program {
        "psql" => PSQL,
        "mysql" | "mariadb" => any("eDhuPS", "--execute|--database|--host|--user|--port|--socket"),
        "sqlite3" => single("-cmd|-separator|-init|-newline|-nullvalue"),
        "redis-cli" => any("hpanu", ""),
        "ssh" => any("BbcDEeFIiJLlmOopQRSWw", ""),
        "scp" | "sftp" => any("cDFiJloPSX", ""),
        "rsync" => RSYNC,
        "sed" | "gsed" => any("efl", "--expression|--file|--line-length"),
        "grep" | "egrep" | "fgrep" | "rg" | "ag" => {
            any("efABCmgtT", "--regexp|--file|--include|--exclude|--glob|--type")
        }
        "awk" | "gawk" | "mawk" | "nawk" => any("fFv", "--file|--field-separator|--assign"),
        "jq" | "yq" => any("f", "--from-file|--indent"),
        "sort" => {
            any("okStT", "--output|--key|--field-separator|--buffer-size|--temporary-directory|--compress-program")
        }
        "tar" | "bsdtar" => any("CfTXb", "--directory|--file|--files-from|--exclude"),
        name if name == "python" || name.starts_with("python3") => any("cmWX", ""),
        "node" | "deno" | "ruby" | "perl" => any("eErp", "--eval|--require|--print"),
        "mv" | "cp" | "ln" | "install" => any("tSgmo", "--target-directory|--suffix|--mode|--owner|--group"),
        "mkdir" => any("m", "--mode"),
        "touch" => any("rdt", "--reference|--date"),
        "truncate" => any("sr", "--size|--reference"),
        "head" | "tail" => any("nc", "--lines|--bytes"),
        "shred" => any("ns", "--iterations|--size"),
        "systemctl" => any("HMtpsno", "--host|--machine|--type|--property|--signal"),
        "find" | "gfind" => {
            single("-name|-iname|-path|-ipath|-regex|-type|-maxdepth|-mindepth|-newer|-size|-mtime|-mmin|-user|-perm")
        }
        "go" | "java" | "openssl" | "packer" | "nomad" | "consul" | "vault" | "ffmpeg" => single("-address|-namespace"),
        "mvn" => any("fPpls", "--file|--projects|--settings"),
        "gradle" | "gradlew" => any("pbIPD", "--project-dir|--build-file|--init-script"),
        _ => NONE,
    }
}

impl Options {
    /// Whether `option` (as typed) takes the next word. `first`: no other word was before it.
    fn takes_next(&self, option: &str, first: bool) -> bool {
        if option.starts_with("--") || self.single {
            let listed = |list: &str| list.split('|').any(|o| o == option);
            return listed(self.any.1) || (first && listed(self.early.1));
        }
        let valued = |c: char| self.any.0.contains(c) || (first && self.early.0.contains(c));
        option.char_indices().skip(1).find(|(_, c)| valued(*c)).is_some_and(|(i, c)| i + c.len_utf8() == option.len())
    }

    /// The letters of a word such as `-sXPOST` that are options, each with what is attached to it: up to the first
    /// that takes a value.
    pub(super) fn letters<'a>(&self, option: &'a str) -> impl Iterator<Item = (char, &'a str)> {
        let Self { early, any, .. } = *self;
        let mut ended = false;
        option.char_indices().skip(1).map_while(move |(i, c)| {
            let before = ended;
            ended |= any.0.contains(c) || early.0.contains(c);
            (!before).then(|| (c, &option[i + c.len_utf8()..]))
        })
    }
}

/// What a word of a command line is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Arg<'a> {
    Option(&'a str),
    /// The value of the option before it.
    Value(&'a str),
    Word(&'a str),
}

/// The words after the program, each with its index and what it is.
#[derive(Clone)]
pub(super) struct Args<'a> {
    words: &'a [String],
    next: usize,
    pub(super) options: Options,
    first: bool,
    value: bool,
    ended: bool,
}

pub(super) fn args(words: &[String]) -> Args<'_> {
    let program = words.first().map_or("", String::as_str);
    Args { words, next: 1, options: of(program), first: true, value: false, ended: false }
}

impl<'a> Iterator for Args<'a> {
    type Item = (usize, Arg<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let index = self.next;
        let word = self.words.get(index)?.as_str();
        self.next += 1;
        let arg = if std::mem::take(&mut self.value) {
            Arg::Value(word)
        } else if self.ended || !is_option(word) {
            self.word(word)
        } else {
            self.ended = word == "--";
            self.value = self.options.takes_next(word, self.first) || self.jobs(word);
            Arg::Option(word)
        };
        Some((index, arg))
    }
}

impl<'a> Args<'a> {
    fn word(&mut self, word: &'a str) -> Arg<'a> {
        let program = self.words[0].as_str();
        if self.first && word.starts_with('+') && matches!(program, "cargo" | "rustc" | "rustup") {
            return Arg::Option(word);
        }
        if self.first && word == "compose" && matches!(program, "docker" | "podman" | "nerdctl") {
            self.options = COMPOSE;
        } else {
            self.first = false;
        }
        Arg::Word(word)
    }

    /// `make -j 4`: a value only if it is a number.
    fn jobs(&self, option: &str) -> bool {
        let number = |w: &String| w.bytes().all(|b| b.is_ascii_digit());
        matches!(self.words[0].as_str(), "make" | "gmake" | "ninja")
            && (option.ends_with('j') || option == "--jobs")
            && self.words.get(self.next).is_some_and(number)
    }
}

pub(super) fn is_option(word: &str) -> bool {
    word.len() > 1 && word.starts_with('-')
}
