//! Which columns the fleet has room for, and how wide they are.

/// A column of the fleet, in the order in which they are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Column {
    Key,
    State,
    Agent,
    Model,
    Project,
    Task,
    Clock,
    Gauge,
    Burn,
    Forecast,
    Cost,
    Flags,
}

/// A column with its place on the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    pub column: Column,
    pub x: u16,
    pub width: u16,
}

/// Columns at the left edge for the mark of the selected row.
pub const MARGIN: u16 = 2;
/// Below this a task says nothing; a further column must leave it so much, and more as long as it holds the project.
const TASK: u16 = 12;
const TASK_WITH_PROJECT: u16 = 16;
/// The mark of a state, and mark and word.
const STATE_MARK: u16 = 1;
const STATE_WORD: u16 = 10;

/// What is added as there is room, most wanted first, with the least width that makes sense.
const WANTED: [(Column, u16); 9] = [
    (Column::Forecast, 10),
    (Column::Key, 6),
    (Column::Flags, 11),
    (Column::Gauge, 6),
    (Column::Cost, 8),
    (Column::Project, 9),
    (Column::Burn, 6),
    (Column::Model, 9),
    (Column::Task, TASK),
];

/// What grows with the room that is left, in this order, up to these widths.
const GROWTH: [(Column, u16); 9] = [
    (Column::Task, 16),
    (Column::Flags, 16),
    (Column::Model, 13),
    (Column::Project, 14),
    (Column::Forecast, 14),
    (Column::Gauge, 10),
    (Column::Burn, 12),
    (Column::Key, 10),
    (Column::State, 15),
];

impl Column {
    pub fn title(self) -> &'static str {
        match self {
            Column::Key => "KEY",
            Column::State => "STATE",
            Column::Agent => "AGENT",
            Column::Model => "MODEL",
            Column::Project => "PROJECT",
            Column::Task => "TASK",
            Column::Clock => "CLOCK",
            Column::Gauge => "LEFT",
            Column::Burn => "BURN",
            Column::Forecast => "FORECAST",
            Column::Cost => "COST",
            Column::Flags => "FLAGS",
        }
    }

    /// Numbers stand at the right edge of their column.
    pub fn is_right(self) -> bool {
        matches!(self, Column::Clock | Column::Cost)
    }
}

/// Columns that fit `width`, left to right, one column apart. State, agent, task and clock are always there as long
/// as there is any room for them.
pub fn place(width: u16) -> Vec<Placed> {
    let mut widths = vec![(Column::State, STATE_MARK), (Column::Agent, 8), (Column::Clock, 9)];
    let used = |widths: &[(Column, u16)]| widths.iter().map(|(_, w)| w + 1).sum::<u16>() + MARGIN - 1;
    let room = |widths: &[(Column, u16)]| width.saturating_sub(used(widths));
    if room(&widths) > TASK + (STATE_WORD - STATE_MARK) {
        widths[0].1 = STATE_WORD;
    }
    for (column, least) in WANTED {
        let has_project = column == Column::Project || widths.iter().any(|(c, _)| *c == Column::Project);
        let wanted = match column {
            Column::Task => 4,
            _ if has_project => least + 1 + TASK + 1,
            _ => least + 1 + TASK_WITH_PROJECT + 1,
        };
        if room(&widths) >= wanted && (widths[0].1 == STATE_WORD || column == Column::Task) {
            let least = if column == Column::Task { least.min(room(&widths) - 1) } else { least };
            widths.push((column, least));
        }
    }
    for (column, most) in GROWTH {
        let spare = room(&widths);
        if let Some((_, w)) = widths.iter_mut().find(|(c, _)| *c == column) {
            *w += spare.min(most.saturating_sub(*w));
        }
    }
    let spare = room(&widths);
    let has_flags = widths.iter().any(|(c, _)| *c == Column::Flags);
    for (column, w) in &mut widths {
        match column {
            Column::Task if has_flags => *w += spare - spare * 2 / 5,
            Column::Task => *w += spare,
            Column::Flags => *w += spare * 2 / 5,
            _ => {}
        }
    }
    in_order(widths, width)
}

fn in_order(mut widths: Vec<(Column, u16)>, width: u16) -> Vec<Placed> {
    widths.sort_unstable_by_key(|(column, _)| *column);
    let mut x = MARGIN.min(width);
    let mut placed = Vec::with_capacity(widths.len());
    for (column, w) in widths {
        let w = w.min(width.saturating_sub(x));
        if w > 0 {
            placed.push(Placed { column, x, width: w });
        }
        x = x.saturating_add(w + 1).min(width);
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(width: u16) -> Vec<Column> {
        place(width).into_iter().map(|p| p.column).collect()
    }

    #[test]
    fn columns_drop_as_the_screen_narrows() {
        use Column::*;
        assert_eq!(names(120).len(), 12);
        assert_eq!(names(80), [Key, State, Agent, Task, Clock, Forecast, Flags]);
        assert_eq!(names(40), [State, Agent, Task, Clock]);
    }

    #[test]
    fn every_width_is_used_and_none_exceeded() {
        for width in 0..=400 {
            let placed = place(width);
            for pair in placed.windows(2) {
                assert!(pair[0].x + pair[0].width < pair[1].x + 1, "{width}: {placed:?}");
            }
            let end = placed.last().map_or(0, |p| p.x + p.width);
            assert!(end <= width, "{width}: {placed:?}");
            if width >= 30 {
                assert_eq!(end, width, "{placed:?}");
            }
        }
    }
}
