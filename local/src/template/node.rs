//! A place in the template: a YAML node that knows where it stands, so that each complaint names its property.

use saphyr::Yaml;

use super::TemplateError;

/// A node and the path that leads to it.
#[derive(Clone)]
pub(super) struct Node<'a> {
    yaml: &'a Yaml<'a>,
    path: String,
}

impl<'a> Node<'a> {
    pub(super) fn root(yaml: &'a Yaml<'a>) -> Self {
        Self { yaml, path: String::new() }
    }

    /// The property `key`, if it is there.
    pub(super) fn find(&self, key: &str) -> Option<Self> {
        let yaml = self.yaml.as_mapping_get(key)?;
        Some(Self { yaml, path: self.below(key) })
    }

    /// The property `key`, which must be there.
    pub(super) fn get(&self, key: &str) -> Result<Self, TemplateError> {
        self.find(key).ok_or_else(|| TemplateError::Missing(self.below(key)))
    }

    /// The properties with their names, in the order of the file.
    pub(super) fn entries(&self) -> Result<Vec<(&'a str, Self)>, TemplateError> {
        let mapping = self.yaml.as_mapping().ok_or_else(|| self.expected("a mapping"))?;
        mapping
            .iter()
            .map(|(key, yaml)| {
                let key = key.as_str().ok_or_else(|| self.expected("text as keys"))?;
                Ok((key, Self { yaml, path: self.below(key) }))
            })
            .collect()
    }

    /// The elements of a list.
    pub(super) fn items(&self) -> Result<Vec<Self>, TemplateError> {
        let items = self.yaml.as_vec().ok_or_else(|| self.expected("a list"))?;
        let paths = (0..).map(|i: usize| format!("{}.{i}", self.path));
        Ok(items.iter().zip(paths).map(|(yaml, path)| Self { yaml, path }).collect())
    }

    /// The elements of the list `key`; none, if it is not there.
    pub(super) fn items_of(&self, key: &str) -> Result<Vec<Self>, TemplateError> {
        self.find(key).map_or_else(|| Ok(Vec::new()), |list| list.items())
    }

    /// The properties of `key`; none, if it is not there.
    pub(super) fn entries_of(&self, key: &str) -> Result<Vec<(&'a str, Self)>, TemplateError> {
        self.find(key).map_or_else(|| Ok(Vec::new()), |mapping| mapping.entries())
    }

    pub(super) fn text(&self) -> Result<&'a str, TemplateError> {
        self.yaml.as_str().ok_or_else(|| self.expected("text"))
    }

    pub(super) fn string(&self) -> Result<String, TemplateError> {
        self.text().map(str::to_owned)
    }

    pub(super) fn number(&self) -> Result<u64, TemplateError> {
        let number = self.yaml.as_integer().and_then(|n| u64::try_from(n).ok());
        number.ok_or_else(|| self.expected("a number"))
    }

    #[cfg(test)]
    pub(super) fn flag(&self) -> Option<bool> {
        self.yaml.as_bool()
    }

    /// Text, or a number as text.
    pub(super) fn literal(&self) -> Result<String, TemplateError> {
        self.number().map(|number| number.to_string()).or_else(|_| self.string())
    }

    /// The text under a CloudFormation function in its short form: `X` of `!Ref X` for the function `Ref`.
    pub(super) fn call(&self, function: &str) -> Option<&'a str> {
        match self.yaml {
            Yaml::Tagged(tag, argument) if tag.suffix == function => argument.as_str(),
            _ => None,
        }
    }

    /// The arguments of a CloudFormation function that takes a list: those of `!If [X, Y, Z]` for the function `If`.
    pub(super) fn arguments(&self, function: &str) -> Option<Vec<Self>> {
        match self.yaml {
            Yaml::Tagged(tag, list) if tag.suffix == function => {
                Self { yaml: list, path: self.path.clone() }.items().ok()
            }
            _ => None,
        }
    }

    /// The complaint that here stands something else than `what`.
    pub(super) fn expected(&self, what: &'static str) -> TemplateError {
        TemplateError::Expected { path: self.path.clone(), what }
    }

    fn below(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}
