//! Finds the route of a request as API Gateway does: the most specific one wins.

use std::collections::BTreeMap;

use http::Method;
use percent_encoding::percent_decode_str;

use crate::template::Route;

/// Path parameters by name, percent-decoded.
pub(super) type PathParameters = BTreeMap<String, String>;

/// The route for `method` and `path` (still percent-encoded), and the values of its parameters.
pub(super) fn find<'a>(routes: &'a [Route], method: &Method, path: &str) -> Option<(&'a Route, PathParameters)> {
    routes
        .iter()
        .filter(|route| route.method == method)
        .filter_map(|route| Some((route, matching(&route.path, path)?)))
        // From the left, an exact segment (true) beats a parameter (false).
        .max_by_key(|(route, _)| route.path.split('/').map(|segment| parameter(segment).is_none()).collect::<Vec<_>>())
}

/// The values of the template's parameters in `path`, if it matches.
fn matching(template: &str, path: &str) -> Option<PathParameters> {
    if template.split('/').count() != path.split('/').count() {
        return None;
    }
    let mut values = PathParameters::new();
    for (expected, actual) in template.split('/').zip(path.split('/')) {
        match parameter(expected) {
            Some(_) if actual.is_empty() => return None,
            Some(name) => {
                values.insert(name.to_owned(), percent_decode_str(actual).decode_utf8_lossy().into_owned());
            }
            None if expected != actual => return None,
            None => {}
        }
    }
    Some(values)
}

/// The name in `{name}`.
fn parameter(segment: &str) -> Option<&str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(method: &Method, path: &str) -> Option<(String, Vec<(String, String)>)> {
        let routes = [
            (Method::GET, "/notes"),
            (Method::POST, "/notes"),
            (Method::GET, "/notes/{id}"),
            (Method::GET, "/notes/latest"),
            (Method::GET, "/notes/{id}/audit"),
            (Method::GET, "/{kind}/latest/audit"),
        ]
        .map(|(method, path)| Route { method, path: path.to_owned(), function: "notes".to_owned() });
        find(&routes, method, path).map(|(route, parameters)| (route.path.clone(), parameters.into_iter().collect()))
    }

    #[test]
    fn exact_segments_win_over_parameters() {
        let id = |value: &str| vec![("id".to_owned(), value.to_owned())];
        assert_eq!(found(&Method::GET, "/notes"), Some(("/notes".to_owned(), vec![])));
        assert_eq!(found(&Method::GET, "/notes/7"), Some(("/notes/{id}".to_owned(), id("7"))));
        assert_eq!(found(&Method::GET, "/notes/latest"), Some(("/notes/latest".to_owned(), vec![])));
        assert_eq!(found(&Method::GET, "/notes/latest/audit"), Some(("/notes/{id}/audit".to_owned(), id("latest"))));
    }

    #[test]
    fn parameters_are_decoded() {
        let (_, parameters) = found(&Method::GET, "/notes/ann%40acme.test%2F1").unwrap();
        assert_eq!(parameters, [("id".to_owned(), "ann@acme.test/1".to_owned())]);
    }

    #[test]
    fn what_no_route_names_is_not_found() {
        for (method, path) in [
            (Method::DELETE, "/notes"),
            (Method::GET, "/"),
            (Method::GET, "/notes/"),
            (Method::GET, "/notes/7/"),
            (Method::GET, "/Notes"),
            (Method::GET, "/notes/7/audit/more"),
        ] {
            assert_eq!(found(&method, path), None, "{method} {path}");
        }
    }
}
