//! What is printed from the code and pinned: the states of a payment, the role matrix, the codes.

use std::fmt::Write as _;

use shared::model::{return_code, transition};
use shared::policy::next;
use shared::policy::refusal::Code;
use shared::policy::roles;

const API: &str = include_str!("../../docs/api.md");
const ARCHITECTURE: &str = include_str!("../../ARCHITECTURE.md");

#[test]
fn the_states_of_a_payment_are_those_that_were_agreed() {
    insta::assert_snapshot!("payment_states", transition::payment_table());
}

#[test]
fn the_states_of_a_refund_are_those_that_were_agreed() {
    insta::assert_snapshot!("refund_states", transition::refund_table());
}

#[test]
fn the_policy_for_failures_is_the_one_that_was_agreed() {
    insta::assert_snapshot!("failure_policy", next::table());
}

#[test]
fn what_follows_from_a_banks_return_is_what_was_agreed() {
    insta::assert_snapshot!("return_codes", return_code::table());
}

#[test]
fn the_role_matrix_is_the_one_that_was_agreed() {
    insta::assert_snapshot!("role_matrix", roles::table());
}

#[test]
fn the_codes_and_their_statuses_are_those_that_clients_know() {
    let mut table = String::new();
    for code in Code::ALL {
        let _ = writeln!(table, "{} {}", code.status(), code.as_str());
    }
    insta::assert_snapshot!("codes", table);
}

#[test]
fn the_guide_for_callers_says_what_to_do_about_each_code() {
    let errors = API.split("## Errors").nth(1).unwrap();
    let rows = errors.lines().filter(|line| line.contains("| `"));
    let named: Vec<(&str, &str)> = rows
        .map(|row| {
            let columns: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
            assert!(columns.len() == 3 && !columns[2].is_empty(), "{row}");
            (columns[0], columns[1].trim_matches('`'))
        })
        .collect();
    let status = |code: &Code| code.status().to_string();
    let expected: Vec<(String, &str)> = Code::ALL.iter().map(|code| (status(code), code.as_str())).collect();
    assert_eq!(named, expected.iter().map(|(status, code)| (status.as_str(), *code)).collect::<Vec<_>>());
}

#[test]
fn architecture_md_prints_the_tables_from_the_code() {
    for table in
        [transition::payment_table(), transition::refund_table(), next::table(), roles::table(), return_code::table()]
    {
        assert!(
            ARCHITECTURE.contains(table.trim()),
            "ARCHITECTURE.md lacks this table as the code prints it:\n{table}"
        );
    }
}
