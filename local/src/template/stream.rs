//! What of a table's stream a function is started with.

use serde_json::Value;

use super::TemplateError;
use super::node::Node;

/// A table's stream that starts a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamSource {
    /// The table's name in the template.
    pub table: String,
    /// The function's name in the template.
    pub function: String,
    /// Records of one invocation at most.
    pub batch: usize,
    /// A record is passed on if one of them fits it.
    patterns: Vec<Value>,
}

impl StreamSource {
    /// Whether a record of the stream is passed on.
    #[must_use]
    pub fn takes(&self, record: &Value) -> bool {
        self.patterns.iter().any(|pattern| fits(pattern, record))
    }
}

/// An object fits where all its members do, a list where one of its values is the one that is there.
fn fits(pattern: &Value, value: &Value) -> bool {
    match pattern {
        Value::Object(members) => {
            members.iter().all(|(name, pattern)| value.get(name).is_some_and(|value| fits(pattern, value)))
        }
        Value::Array(values) => values.contains(value),
        _ => false,
    }
}

/// Whether a pattern has nothing but names and literal texts.
fn is_plain(pattern: &Value) -> bool {
    match pattern {
        Value::Object(members) => members.values().all(is_plain),
        Value::Array(values) => values.iter().all(Value::is_string),
        _ => false,
    }
}

/// The stream that an event source mapping reads; `None`: it reads something else.
pub(super) fn source(mapping: &Node<'_>) -> Result<Option<StreamSource>, TemplateError> {
    let properties = mapping.get("Properties")?;
    let arn = properties.get("EventSourceArn")?;
    let Some(table) = arn.call("GetAtt").and_then(|attribute| attribute.strip_suffix(".StreamArn")) else {
        return Ok(None);
    };
    let function = properties.get("FunctionName")?;
    let size = properties.get("BatchSize")?;
    let mut patterns = Vec::new();
    for filter in properties.get("FilterCriteria")?.items_of("Filters")? {
        let pattern = filter.get("Pattern")?;
        let parsed = serde_json::from_str(pattern.text()?).ok().filter(is_plain);
        patterns.push(parsed.ok_or_else(|| pattern.expected("JSON of names and lists of texts"))?);
    }
    Ok(Some(StreamSource {
        table: table.to_owned(),
        function: function.call("Ref").ok_or_else(|| function.expected("!Ref of a function"))?.to_owned(),
        batch: usize::try_from(size.number()?).map_err(|_| size.expected("a number"))?,
        patterns,
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::template::Template;

    #[test]
    fn the_analyst_is_started_for_alerts_that_are_raised_and_for_nothing_else() {
        let template = Template::bundled().unwrap();
        let [source] = template.streams.as_slice() else { panic!("{:?}", template.streams) };
        assert_eq!((source.table.as_str(), source.function.as_str()), ("AlertsTable", "ErrorAnalystFunction"));
        let changed =
            |status: &str| json!({ "eventName": "MODIFY", "dynamodb": { "NewImage": { "status": { "S": status } } } });
        assert!(source.takes(&json!({ "eventName": "INSERT", "dynamodb": {} })));
        assert!(source.takes(&changed("open")));
        assert!(!source.takes(&changed("resolved")));
        assert!(!source.takes(&json!({ "eventName": "REMOVE", "dynamodb": { "OldImage": {} } })));
    }
}
