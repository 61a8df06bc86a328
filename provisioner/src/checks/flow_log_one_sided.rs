//! A flow log without refused connections.

use super::{Around, Rule, said, typed};
use crate::kinds::flow_log::{Spec, Traffic};

pub(super) const RULE: Rule = Rule {
    name: "flow-log-one-sided",
    kinds: &["flow_log"],
    reason: "refused connections show scans and missing rules",
    fix: "write all connections: `traffic = \"all\"`",
    breaks: |spec, around| typed(breaks, spec, around),
};

fn breaks(log: &Spec, _: &Around<'_>) -> Vec<String> {
    said(log.traffic == Traffic::Accept, "refused connections aren't written down")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::checks::tests::texts;

    #[test]
    fn refused_connections_are_written_down() {
        assert_eq!(texts(&RULE, json!({"traffic": "accept"})), ["refused connections aren't written down"]);
        assert_eq!(texts(&RULE, json!({"traffic": "all"})), [""; 0]);
        assert_eq!(texts(&RULE, json!({"traffic": "reject"})), [""; 0]);
    }
}
