//! Reads `template.yaml`, the one source of tables, routes, time-outs and environment.
//!
//! Promises that the local stack has what the deployed one has: what the reader relies on but does not understand is
//! an error that names resource and property, never a guess. Other resources and properties are left alone.

mod grant;
mod node;
mod stream;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::{ProjectionType, ScalarAttributeType, StreamViewType};
use http::Method;
use saphyr::{LoadableYamlNode, Yaml};

pub use grant::Grant;
use node::Node;
pub use stream::StreamSource;

/// The template, as this was built with it.
const TEXT: &str = include_str!("../../../template.yaml");

/// What the local stack needs of the template.
#[derive(Debug)]
pub struct Template {
    /// The DynamoDB tables.
    pub tables: Vec<Table>,
    /// The Lambda functions.
    pub functions: Vec<Function>,
    /// The routes of the HTTP API.
    pub routes: Vec<Route>,
    /// The tables' streams that start functions.
    pub streams: Vec<StreamSource>,
}

/// A DynamoDB table.
#[derive(Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name in the template.
    pub logical_id: String,
    /// Its name in AWS, without the stack's name before it: `invoices`.
    pub suffix: String,
    /// Its primary key.
    pub key: Key,
    /// Its global secondary indexes.
    pub indexes: Vec<Index>,
    /// The attribute that says when an item expires.
    pub ttl_attribute: Option<String>,
    /// What its stream shows, if it has one.
    pub stream: Option<StreamViewType>,
}

impl Table {
    /// Its name in AWS, in the stack called `stack`.
    #[must_use]
    pub fn name(&self, stack: &str) -> String {
        physical_name(stack, &self.suffix)
    }
}

/// The key of a table or an index.
#[derive(Debug, PartialEq, Eq)]
pub struct Key {
    /// The partition key.
    pub partition: Attribute,
    /// The sort key.
    pub sort: Option<Attribute>,
}

/// An attribute of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: ScalarAttributeType,
}

/// A global secondary index.
#[derive(Debug, PartialEq, Eq)]
pub struct Index {
    /// Its name.
    pub name: String,
    /// Its key.
    pub key: Key,
    /// Which attributes it holds.
    pub projection: ProjectionType,
    /// The attributes that `INCLUDE` names.
    pub included: Vec<String>,
}

/// A Lambda function.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name in the template.
    pub logical_id: String,
    /// Its folder under `functions/`, which is also its package's name.
    pub folder: String,
    /// How long an invocation may take.
    pub timeout: Duration,
    /// Its environment: the one for all functions and what it sets itself.
    pub environment: BTreeMap<String, Setting>,
    /// Whether it has a URL of its own, which anybody may call.
    pub url: bool,
    /// What its policy grants.
    pub grants: Vec<Grant>,
}

/// The value of an environment variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Setting {
    /// Literal text, or the default of a parameter.
    Text(String),
    /// The name of the table with this suffix.
    Table(String),
    /// The name of the stack.
    Stack,
}

impl Setting {
    /// The value in the stack called `stack`.
    #[must_use]
    pub fn resolve(&self, stack: &str) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Table(suffix) => physical_name(stack, suffix),
            Self::Stack => stack.to_owned(),
        }
    }
}

/// A route of the HTTP API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path, with `{name}` for each parameter.
    pub path: String,
    /// The folder of the function that serves it.
    pub function: String,
}

/// Why the template could not be read.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// It is not YAML.
    #[error("the template is not YAML: {0}")]
    Yaml(#[from] saphyr::ScanError),
    /// A property that must be there is not.
    #[error("the template has no {0}")]
    Missing(String),
    /// A property holds something that the reader does not understand.
    #[error("in the template, {path} should be {what}")]
    Expected {
        /// Where.
        path: String,
        /// What the reader understands.
        what: &'static str,
    },
}

impl Template {
    /// The template that this program was built with.
    ///
    /// # Errors
    /// As [`Template::load`]; a test makes sure that it can be read.
    pub fn bundled() -> Result<Self, TemplateError> {
        Self::load(TEXT)
    }

    /// Reads a template.
    ///
    /// # Errors
    /// When it is not YAML, or a table, function or route is not in the form that this reader understands.
    pub fn load(text: &str) -> Result<Self, TemplateError> {
        let documents = Yaml::load_from_str(text)?;
        let root = Node::root(documents.first().unwrap_or(&Yaml::BadValue));
        let mut by_type: BTreeMap<&str, Vec<(&str, Node<'_>)>> = BTreeMap::new();
        for (id, resource) in root.get("Resources")?.entries()? {
            by_type.entry(resource.get("Type")?.text()?).or_default().push((id, resource));
        }
        let of_type = |name| by_type.get(name).into_iter().flatten();

        for (_, api) in of_type("AWS::Serverless::HttpApi") {
            // The local front asks for a token on every route; so must the deployed one.
            api.get("Properties")?.get("Auth")?.get("DefaultAuthorizer")?;
        }
        let tables =
            of_type("AWS::DynamoDB::Table").map(|(id, node)| table(id, node)).collect::<Result<Vec<_>, _>>()?;
        let mut functions = Vec::new();
        let mut routes = Vec::new();
        for (id, node) in of_type("AWS::Serverless::Function") {
            let function = function(id, node, &root, &tables)?;
            for (_, event) in node.get("Properties")?.entries_of("Events")? {
                routes.extend(route(&event, &function.folder)?);
            }
            if function.url && functions.iter().any(|other: &Function| other.url) {
                // In AWS each has a domain; here nothing would tell them apart.
                return Err(node.get("Properties")?.get("FunctionUrlConfig")?.expected("on one function only"));
            }
            functions.push(function);
        }
        let streams = of_type("AWS::Lambda::EventSourceMapping").map(|(_, node)| stream::source(node));
        let streams = streams.filter_map(Result::transpose).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { tables, functions, routes, streams })
    }

    /// The names of the tables in the stack called `stack`, by the environment variable that tells them.
    #[must_use]
    pub fn table_names(&self, stack: &str) -> BTreeMap<String, String> {
        let settings = self.functions.iter().flat_map(|function| &function.environment);
        settings
            .filter(|(_, setting)| matches!(setting, Setting::Table(_)))
            .map(|(variable, setting)| (variable.clone(), setting.resolve(stack)))
            .collect()
    }
}

fn physical_name(stack: &str, suffix: &str) -> String {
    format!("{stack}-{suffix}")
}

fn table(logical_id: &str, node: &Node<'_>) -> Result<Table, TemplateError> {
    let properties = node.get("Properties")?;
    let name = properties.get("TableName")?;
    let suffix = name.call("Sub").and_then(|name| name.strip_prefix("${AWS::StackName}-"));
    let suffix = suffix.ok_or_else(|| name.expected("!Sub \"${AWS::StackName}-…\""))?.to_owned();

    let mut attributes = Vec::new();
    for definition in properties.get("AttributeDefinitions")?.items()? {
        let kind = definition.get("AttributeType")?;
        let kind = ScalarAttributeType::try_parse(kind.text()?).map_err(|_| kind.expected("S, N or B"))?;
        attributes.push(Attribute { name: definition.get("AttributeName")?.string()?, kind });
    }
    let indexes = properties.items_of("GlobalSecondaryIndexes")?;
    let ttl_attribute = |ttl: Node<'_>| ttl.get("AttributeName")?.string();
    let stream = |stream: Node<'_>| {
        let view = stream.get("StreamViewType")?;
        StreamViewType::try_parse(view.text()?).map_err(|_| view.expected("a stream view type"))
    };
    Ok(Table {
        logical_id: logical_id.to_owned(),
        suffix,
        key: key(&properties.get("KeySchema")?, &attributes)?,
        indexes: indexes.iter().map(|node| index(node, &attributes)).collect::<Result<_, _>>()?,
        ttl_attribute: properties.find("TimeToLiveSpecification").map(ttl_attribute).transpose()?,
        stream: properties.find("StreamSpecification").map(stream).transpose()?,
    })
}

fn index(node: &Node<'_>, attributes: &[Attribute]) -> Result<Index, TemplateError> {
    let projection = node.get("Projection")?;
    let kind = projection.get("ProjectionType")?;
    let included = projection.items_of("NonKeyAttributes")?;
    Ok(Index {
        name: node.get("IndexName")?.string()?,
        key: key(&node.get("KeySchema")?, attributes)?,
        projection: ProjectionType::try_parse(kind.text()?).map_err(|_| kind.expected("a projection type"))?,
        included: included.iter().map(Node::string).collect::<Result<_, _>>()?,
    })
}

fn key(schema: &Node<'_>, attributes: &[Attribute]) -> Result<Key, TemplateError> {
    let (mut partition, mut sort) = (None, None);
    for element in schema.items()? {
        let name = element.get("AttributeName")?;
        let text = name.text()?;
        let attribute = attributes.iter().find(|attribute| attribute.name == text).cloned();
        let attribute = attribute.ok_or_else(|| name.expected("one of the AttributeDefinitions"))?;
        let role = element.get("KeyType")?;
        match role.text()? {
            "HASH" => partition = Some(attribute),
            "RANGE" => sort = Some(attribute),
            _ => return Err(role.expected("HASH or RANGE")),
        }
    }
    Ok(Key { partition: partition.ok_or_else(|| schema.expected("a list with a HASH key"))?, sort })
}

fn function(logical_id: &str, node: &Node<'_>, root: &Node<'_>, tables: &[Table]) -> Result<Function, TemplateError> {
    let properties = node.get("Properties")?;
    let code = properties.get("CodeUri")?;
    let folder = code.text()?.strip_prefix("functions/").ok_or_else(|| code.expected("functions/…"))?;
    let globals = root.find("Globals").and_then(|globals| globals.find("Function"));
    let sources = || globals.iter().chain([&properties]);
    let timeout = sources().rev().find_map(|source| source.find("Timeout"));
    let mut environment = BTreeMap::new();
    for source in sources() {
        let Some(own) = source.find("Environment") else { continue };
        for (name, value) in own.get("Variables")?.entries()? {
            environment.insert(name.to_owned(), setting(&value, root, tables)?);
        }
    }
    Ok(Function {
        logical_id: logical_id.to_owned(),
        folder: folder.trim_end_matches('/').to_owned(),
        timeout: Duration::from_secs(timeout.map_or_else(|| properties.get("Timeout"), Ok)?.number()?),
        environment,
        url: properties.find("FunctionUrlConfig").map(|config| is_open_url(&config)).transpose()?.unwrap_or_default(),
        grants: grant::grants(&properties)?,
    })
}

/// True; anything but a URL without authorization is an error, as the local one would differ from it.
fn is_open_url(config: &Node<'_>) -> Result<bool, TemplateError> {
    if config.get("AuthType")?.text()? != "NONE" {
        return Err(config.get("AuthType")?.expected("NONE"));
    }
    for (name, property) in config.entries()? {
        match name {
            "AuthType" => {}
            "InvokeMode" if property.text()? == "BUFFERED" => {}
            _ => return Err(property.expected("left out: a function URL has AuthType NONE and answers in one piece")),
        }
    }
    Ok(true)
}

fn setting(value: &Node<'_>, root: &Node<'_>, tables: &[Table]) -> Result<Setting, TemplateError> {
    if let Some(arguments) = value.arguments("If") {
        let [condition, then, otherwise] = arguments.as_slice() else {
            return Err(value.expected("!If with a condition and two values"));
        };
        return setting(if holds(condition, root)? { then } else { otherwise }, root, tables);
    }
    let Some(name) = value.call("Ref") else {
        return value.literal().map(Setting::Text);
    };
    if let Some(table) = tables.iter().find(|table| table.logical_id == name) {
        return Ok(Setting::Table(table.suffix.clone()));
    }
    if name == "AWS::StackName" {
        return Ok(Setting::Stack);
    }
    let parameter = root.find("Parameters").and_then(|parameters| parameters.find(name));
    let default = parameter.and_then(|parameter| parameter.find("Default"));
    let default = default.ok_or_else(|| value.expected("text, a table or a parameter with a default"))?;
    default.literal().map(Setting::Text)
}

/// Whether a condition holds as long as nobody sets a parameter.
fn holds(condition: &Node<'_>, root: &Node<'_>) -> Result<bool, TemplateError> {
    let meaning = root.get("Conditions")?.get(condition.text()?)?;
    match meaning.arguments("Equals").as_deref() {
        Some([left, right]) => Ok(setting(left, root, &[])? == setting(right, root, &[])?),
        _ => Err(meaning.expected("!Equals with two values")),
    }
}

/// The route of an event of the HTTP API; none of any other event.
fn route(event: &Node<'_>, function: &str) -> Result<Option<Route>, TemplateError> {
    if event.get("Type")?.text()? != "HttpApi" {
        return Ok(None);
    }
    let properties = event.get("Properties")?;
    // Anything more (an authorizer of its own, a payload format) would make the route differ from the local one.
    for (name, property) in properties.entries()? {
        if !matches!(name, "ApiId" | "Method" | "Path") {
            return Err(property.expected("left out: a route has ApiId, Method and Path"));
        }
    }
    let (method, path) = (properties.get("Method")?, properties.get("Path")?);
    let known = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    let name = method.text()?;
    let text = path.text()?;
    if !text.starts_with('/') || text.contains('+') {
        return Err(path.expected("a path of plain segments and {parameters}"));
    }
    Ok(Some(Route {
        method: known
            .into_iter()
            .find(|known| known.as_str() == name)
            .ok_or_else(|| method.expected("an HTTP method in capitals"))?,
        path: text.to_owned(),
        function: function.to_owned(),
    }))
}
