//! The runbook says what to do about all that can call a person.

use shared::model::alert::AlertKind;
use shared::policy::failure::next_action;

const RUNBOOK: &str = include_str!("../../docs/RUNBOOK.md");
const TEMPLATE: &str = include_str!("../../template.yaml");

/// The line of the runbook's tables that begins with a name: its columns.
fn line(name: &str) -> Vec<&'static str> {
    let first = format!("| `{name}` |");
    let mut lines = RUNBOOK.lines().filter(|line| line.starts_with(&first));
    let (Some(line), None) = (lines.next(), lines.next()) else {
        panic!("docs/RUNBOOK.md should have one line for {name}");
    };
    line.trim_matches('|').split('|').map(str::trim).collect()
}

fn names() -> Vec<String> {
    let lines = RUNBOOK.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    lines.map(|(name, _)| name.to_owned()).collect()
}

#[test]
fn the_runbook_has_a_line_for_each_alarm_and_each_kind_of_alert_and_for_nothing_else() {
    let alarms = TEMPLATE.lines().filter_map(|line| {
        line.trim().strip_prefix("AlarmName: !Sub \"${AWS::StackName}-")?.strip_suffix('"').map(str::to_owned)
    });
    let mut expected: Vec<String> = alarms.collect();
    assert_eq!(expected.len(), TEMPLATE.matches("Type: AWS::CloudWatch::Alarm").count());
    for name in &expected {
        assert_eq!(line(name).len(), 4, "{name}: meaning, where to look, what to do");
    }
    for kind in AlertKind::ALL {
        let columns = line(kind.as_str());
        assert_eq!(columns.len(), 5, "{kind}: severity, meaning, where to look, what to do");
        assert_eq!(columns[1], next_action(*kind).0.as_str(), "{kind}");
        assert!(columns.iter().all(|column| !column.is_empty()), "{kind}");
        expected.push(kind.as_str().to_owned());
    }
    let mut found = names();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
}
