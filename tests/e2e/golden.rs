//! What is printed from the code and pinned: the states of a payment, the role matrix, the codes.

use std::fmt::Write as _;

use shared::model::{return_code, transition};
use shared::policy::next;
use shared::policy::refusal::Code;
use shared::policy::roles;

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
