//! Exit codes: part of the interface, so that scripts can tell what happened. One table, printed by `--help`, listed
//! in docs/cli.md, tested.

/// How the program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Done,
    Failed,
    Usage,
    Unreachable,
    Refused,
    Machine,
    Input,
    Unknown,
    Broken,
    NotProven,
    Damaged,
    Interrupted,
}

/// Every code with its meaning, in the order of the codes.
pub(crate) const EXITS: [(Exit, u8, &str); 12] = [
    (Exit::Done, 0, "done; for prove: every claim held"),
    (Exit::Failed, 1, "failed for a reason that has no code of its own"),
    (Exit::Usage, 2, "wrong arguments, an unknown guarantee or dial"),
    (Exit::Unreachable, 3, "no broker answers at the address"),
    (Exit::Refused, 4, "the broker refused: unknown topic, exists already, policy"),
    (
        Exit::Machine,
        5,
        "the machine refused: port in use, data folder locked or of a newer format, permissions, disk",
    ),
    (Exit::Input, 6, "the input cannot be read or is malformed"),
    (Exit::Unknown, 7, "some records may or may not have been written"),
    (Exit::Broken, 8, "prove: a claim was broken"),
    (Exit::NotProven, 9, "prove: not enough happened to prove every claim"),
    (Exit::Damaged, 10, "check: the folder is damaged, or was repaired with records lost"),
    (Exit::Interrupted, 130, "interrupted with Ctrl-C before the work was done"),
];

impl Exit {
    pub(crate) fn code(self) -> u8 {
        EXITS.iter().find(|(exit, ..)| *exit == self).map_or(1, |(_, code, _)| *code)
    }
}

/// The table as the last part of `--help`.
pub(crate) fn help() -> String {
    let rows: Vec<String> =
        EXITS.iter().map(|(_, code, meaning)| format!("  {code:>3}  {meaning}")).collect();
    format!("Exit codes:\n{}", rows.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exit_has_a_code_of_its_own() {
        for pair in EXITS.windows(2) {
            assert!(pair[0].1 < pair[1].1, "{pair:?}");
        }
    }

    #[test]
    fn the_documents_list_the_codes_of_this_table() {
        let document = include_str!("../../../docs/cli.md");
        for (_, code, meaning) in EXITS {
            assert!(
                document.contains(&format!("| {code} | {meaning} |")),
                "docs/cli.md lacks {code}: {meaning}"
            );
        }
    }
}
