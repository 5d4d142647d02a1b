//! The template and the routers know the same routes, in both directions.

use std::collections::BTreeSet;

use local::template::Template;
use shared::api::Route;

/// The routes of every function behind the API, by the function's folder.
pub fn all() -> Vec<(&'static str, Route)> {
    let of = |function, routes: Vec<Route>| routes.into_iter().map(move |route| (function, route));
    of("pay", pay::routes())
        .chain(of("invoices", invoices::routes()))
        .chain(of("settings", settings::routes()))
        .chain(of("payment-methods", payment_methods::routes()))
        .chain(of("refund", refund::routes()))
        .chain(of("schedule", schedule::routes()))
        .chain(of("review", review::routes()))
        .collect()
}

#[test]
fn template_and_routers_have_the_same_routes() {
    let line = |(function, route): (&str, Route)| format!("{function}: {} {}", route.method, route.path);
    let in_code: BTreeSet<String> = all().into_iter().map(line).collect();
    let in_template: BTreeSet<String> = Template::bundled()
        .unwrap()
        .routes
        .iter()
        .map(|route| format!("{}: {} {}", route.function, route.method, route.path))
        .collect();
    let only_in_code: Vec<_> = in_code.difference(&in_template).collect();
    let only_in_template: Vec<_> = in_template.difference(&in_code).collect();
    assert!(
        only_in_code.is_empty() && only_in_template.is_empty(),
        "code: {only_in_code:?}, template: {only_in_template:?}"
    );
}

#[test]
fn every_functions_lines_are_logged() {
    for function in Template::bundled().unwrap().functions {
        let name = function.folder.replace('-', "_");
        assert!(shared::telemetry::OURS.contains(&name.as_str()), "the log filter does not know {name}");
    }
}
