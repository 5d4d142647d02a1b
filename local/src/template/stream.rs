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
    /// How often a batch that fails is handed over, the first time included.
    pub deliveries: u64,
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
    let retries = properties.get("MaximumRetryAttempts")?.number()?;
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
        deliveries: retries.saturating_add(1),
        patterns,
    }))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use saphyr::{LoadableYamlNode, Yaml};
    use serde_json::json;
    use shared::{bounds, config};

    use super::Node;
    use crate::template::{TEXT, Template};

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

    #[test]
    fn a_batch_of_alerts_has_time_for_each_of_them() {
        let template = Template::bundled().unwrap();
        let [source] = template.streams.as_slice() else { panic!("{:?}", template.streams) };
        let analyst = template.functions.iter().find(|function| function.logical_id == source.function).unwrap();
        let each = bounds::ANALYSIS_TIME * u32::try_from(source.batch).unwrap();
        assert!(analyst.timeout >= each + Duration::from_secs(30), "{:?} for {each:?}", analyst.timeout);
        assert_eq!(source.deliveries, 4);
    }

    /// What the stack on a laptop has no use for, and what would be missed in production only.
    #[test]
    fn alerts_are_explained_when_that_is_turned_on_and_one_that_fails_stops_no_others() {
        let yaml = Yaml::load_from_str(TEXT).unwrap();
        let root = Node::root(&yaml[0]);
        let parameter = |name: &str| root.get("Parameters").unwrap().get(name).unwrap().get("Default").unwrap();
        assert_eq!(parameter("ErrorAnalysis").text().unwrap(), "off");
        assert_eq!(parameter("ErrorAnalysisModel").text().unwrap(), config::ERROR_ANALYSIS_MODEL);
        let condition = root.get("Conditions").unwrap().get("ExplainsAlerts").unwrap().arguments("Equals").unwrap();
        assert_eq!(condition[0].call("Ref"), Some("ErrorAnalysis"));
        assert_eq!(condition[1].text().unwrap(), "on");

        let mapping = root.get("Resources").unwrap().get("ErrorAnalystMapping").unwrap().get("Properties").unwrap();
        let enabled = mapping.get("Enabled").unwrap().arguments("If").unwrap();
        assert_eq!(enabled[0].text().unwrap(), "ExplainsAlerts");
        assert_eq!((enabled[1].flag(), enabled[2].flag()), (Some(true), Some(false)));
        assert_eq!(mapping.get("BisectBatchOnFunctionError").unwrap().flag(), Some(true));
        let answers = mapping.get("FunctionResponseTypes").unwrap().items().unwrap();
        assert_eq!(answers[0].text().unwrap(), "ReportBatchItemFailures");
        assert!(mapping.get("MaximumRecordAgeInSeconds").unwrap().number().unwrap() <= 3600);
        let given_up = mapping.get("DestinationConfig").unwrap().get("OnFailure").unwrap().get("Destination").unwrap();
        assert_eq!(given_up.call("GetAtt"), Some("AnalystDeadLetterQueue.Arn"));
    }
}
