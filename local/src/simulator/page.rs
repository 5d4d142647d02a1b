//! The pages that simulators show to people: plain HTML, and nothing from elsewhere.

use axum::body::Body;
use http::{HeaderValue, Response, StatusCode, header};

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:26rem;margin:3rem auto;padding:0 1rem;\
                     color:#1c1e21;background:#f6f7f9}main{background:#fff;border:1px solid #dde1e6;border-radius:8px;\
                     padding:1.5rem}h1{font-size:1.25rem;margin-top:0}label{display:block;padding:.4rem 0}\
                     fieldset{border:0;padding:0;margin:0 0 1rem}select{font:inherit;padding:.4rem;width:100%}\
                     button{font:inherit;padding:.5rem 1rem;border:1px solid #1f4fd8;border-radius:6px;background:#1f4fd8;\
                     color:#fff;cursor:pointer}button.quiet{background:#fff;color:#1f4fd8}\
                     :focus-visible{outline:3px solid #9db8ff;outline-offset:2px}small{color:#5b6470}";

/// A page with a heading. `body` is HTML: whatever others wrote in it has been [`escape`]d.
pub(crate) fn page(status: StatusCode, title: &str, body: &str) -> Response<Body> {
    let title = escape(title);
    let html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title}</title><style>{STYLE}</style><main><h1>{title}</h1>{body}\
         <p><small>A stand-in on this machine. Nobody is asked for a password or a number.</small></p></main></html>"
    );
    let mut response = Response::new(Body::from(html));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response
}

/// Sends the browser on, with GET.
pub(crate) fn go(url: &str) -> Response<Body> {
    let Ok(location) = HeaderValue::from_str(url) else {
        return page(StatusCode::BAD_REQUEST, "This address can't be gone to", "");
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    response.headers_mut().insert(header::LOCATION, location);
    response
}

/// A URL with parameters more in its query.
pub(crate) fn with_query(url: &str, parameters: &[(&str, &str)]) -> String {
    match reqwest::Url::parse(url) {
        Ok(mut url) if !parameters.is_empty() => {
            url.query_pairs_mut().extend_pairs(parameters);
            url.into()
        }
        _ => url.to_owned(),
    }
}

/// Text as HTML, also between quotes.
pub(crate) fn escape(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            other => html.push(other),
        }
    }
    html
}
