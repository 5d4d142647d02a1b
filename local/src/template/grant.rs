//! What a function's policy grants.

use super::TemplateError;
use super::node::Node;

/// One action on one resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grant {
    /// As IAM writes it: `dynamodb:Query`.
    pub action: String,
    /// A table of the template, an index of one (`InvoicesTable/index/by-number`) or its stream (`…/stream`), another resource of it, or the text
    /// of an ARN with its variables.
    pub resource: String,
}

impl Grant {
    /// Of an action on a resource.
    #[must_use]
    pub fn new(action: &str, resource: &str) -> Self {
        Self { action: action.to_owned(), resource: resource.to_owned() }
    }
}

/// All that the policies among a function's properties grant. Only what allows is understood, without conditions and
/// without wildcards in actions.
pub(super) fn grants(properties: &Node<'_>) -> Result<Vec<Grant>, TemplateError> {
    let mut grants = Vec::new();
    for policy in properties.items_of("Policies")? {
        for statement in policy.get("Statement")?.items()? {
            for (name, property) in statement.entries()? {
                let known = match name {
                    "Effect" => property.text()? == "Allow",
                    name => ["Sid", "Action", "Resource"].contains(&name),
                };
                if !known {
                    return Err(property.expected("left out, or Allow: statements have Sid, Effect, Action, Resource"));
                }
            }
            for resource in one_or_more(&statement.get("Resource")?) {
                let resource = named(&resource)?;
                for action in one_or_more(&statement.get("Action")?) {
                    if action.text()?.contains('*') {
                        return Err(action.expected("an action without a wildcard"));
                    }
                    grants.push(Grant::new(action.text()?, &resource));
                }
            }
        }
    }
    Ok(grants)
}

fn one_or_more<'a>(node: &Node<'a>) -> Vec<Node<'a>> {
    node.items().unwrap_or_else(|_| vec![node.clone()])
}

fn named(resource: &Node<'_>) -> Result<String, TemplateError> {
    let text = match (resource.call("GetAtt"), resource.call("Sub")) {
        (Some(attribute), _) => match attribute.strip_suffix(".StreamArn") {
            Some(table) => Some(format!("{table}/stream")),
            None => attribute.strip_suffix(".Arn").map(str::to_owned),
        },
        (None, Some(text)) => Some(
            text.strip_prefix("${")
                .and_then(|text| text.split_once(".Arn}"))
                .map_or_else(|| text.to_owned(), |(resource, rest)| format!("{resource}{rest}")),
        ),
        (None, None) => None,
    };
    text.ok_or_else(|| resource.expected("!GetAtt ….Arn, !GetAtt ….StreamArn or !Sub"))
}
