//! Where values come from, reduced to text by key.

use super::{FAMILIES, Family, KEYS, Key, Mistake, is_known};
use std::{collections::BTreeMap, fmt};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Nobody set it.
    Default,
    /// The configuration file.
    File(String),
    /// An environment variable.
    Variable(String),
    /// The command line.
    Flag,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(name) | Self::Variable(name) => f.write_str(name),
            Self::Flag => f.write_str("command line"),
        }
    }
}

/// The values that were given, unchecked. Call in rising precedence: file, environment, flags.
#[derive(Debug, Default)]
pub struct Sources {
    values: BTreeMap<String, (String, Source)>,
    /// Tables with names in which nothing stands: that there is one may mean something.
    empty: BTreeMap<String, Source>,
    strange: Vec<String>,
}

/// Variables with the prefix that are no keys, but have a meaning.
const OTHERS: &[&str] = &["DUNLIN_URL", "DUNLIN_LOCAL_DIR", "DUNLIN_CONFIG", "DUNLIN_TOKEN"];

impl Sources {
    /// Takes the values of a TOML document.
    ///
    /// # Errors
    /// The document is not TOML.
    pub fn file(&mut self, name: String, text: &str) -> Result<(), toml::de::Error> {
        self.flatten("", text.parse::<toml::Table>()?, &Source::File(name));
        Ok(())
    }

    /// Takes the variables that begin with `DUNLIN_`. One that is no key is kept aside ([`Sources::strange`]): it may be
    /// another program's, as Kubernetes makes up `DUNLIN_PORT` for a service of that name.
    pub fn environment(&mut self, variables: impl Iterator<Item = (String, String)>) {
        for (name, value) in variables {
            if !name.starts_with("DUNLIN_") || OTHERS.contains(&name.as_str()) {
                continue;
            }
            match KEYS.iter().find(|key| key.variable() == name) {
                Some(key) => {
                    self.values.insert(key.name.into(), (value, Source::Variable(name)));
                }
                None => self.strange.push(name),
            }
        }
    }

    /// Variables that look like configuration and are not.
    #[must_use]
    pub fn strange(&self) -> &[String] {
        &self.strange
    }

    /// Takes one value of the command line.
    pub fn flag(&mut self, key: &str, value: String) {
        self.values.insert(key.into(), (value, Source::Flag));
    }

    /// The value in force for a key.
    pub(super) fn get(&self, key: &Key) -> (String, Source) {
        self.values.get(key.name).cloned().unwrap_or_else(|| (key.default_value(), Source::Default))
    }

    /// The value of a key in a table with a name, if it was given.
    pub(super) fn member(&self, family: &Family, member: &str, key: &Key) -> Option<(String, Source)> {
        self.values.get(&format!("{}.{member}.{}", family.prefix, key.name)).cloned()
    }

    /// Where a family's table came from, by the first of its keys.
    pub(super) fn origin(&self, family: &Family, member: &str) -> Source {
        let given = family.keys.iter().find_map(|key| self.member(family, member, key));
        let empty = || self.empty.get(&format!("{}.{member}", family.prefix)).cloned();
        given.map(|(_, source)| source).or_else(empty).unwrap_or(Source::Default)
    }

    /// The names of a family's tables.
    pub(super) fn members(&self, family: &Family) -> Vec<String> {
        let given = self.values.keys().filter_map(|name| family.split(name)).map(|(member, _)| member);
        let empty = self.empty.keys().filter_map(|name| name.strip_prefix(family.prefix)?.strip_prefix('.'));
        let mut members: Vec<_> = given.chain(empty).map(ToOwned::to_owned).collect();
        members.sort();
        members.dedup();
        members
    }

    /// A mistake for each key that does not exist.
    pub(super) fn unknown(&self) -> Vec<Mistake> {
        let unknown = self.values.iter().filter(|(name, _)| !is_known(name));
        unknown
            .map(|(name, (_, source))| Mistake {
                key: name.clone(),
                source: source.clone(),
                text: hint(name),
            })
            .collect()
    }

    /// All values in force as a configuration file, with their sources as comments.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut out = String::new();
        let mut table = "";
        for key in KEYS {
            let (prefix, name) = key.name.rsplit_once('.').unwrap_or(("", key.name));
            if prefix != table {
                out += &format!("\n[{prefix}]\n");
                table = prefix;
            }
            let (value, source) = self.get(key);
            out += &format!("# {}\n", key.doc);
            if key.secret && !value.is_empty() {
                out += &format!("# {name} = …   # set, {source}\n");
            } else if value.is_empty() {
                out += &format!("# {name} = \"\"   # not set\n");
            } else {
                out += &format!("{name} = {}   # {source}\n", toml::Value::String(value));
            }
        }
        for family in FAMILIES {
            self.write_family(family, &mut out);
        }
        out
    }

    /// What was given in tables with names, after a table that says what could be.
    fn write_family(&self, family: &Family, out: &mut String) {
        let Family { prefix, example, doc, keys, .. } = family;
        *out += &format!("\n# {doc}\n# [{prefix}.{example}]\n");
        for key in *keys {
            *out += &format!("# {} = …   # {}: {}\n", key.name, key.legal, key.doc);
        }
        for member in self.members(family) {
            *out += &format!("[{prefix}.{}]\n", toml::Value::String(member.clone()));
            for key in *keys {
                let Some((value, source)) = self.member(family, &member, key) else { continue };
                if key.secret {
                    *out += &format!("# {} = …   # set, {source}\n", key.name);
                } else {
                    *out += &format!("{} = {}   # {source}\n", key.name, toml::Value::String(value));
                }
            }
        }
    }

    fn flatten(&mut self, prefix: &str, table: toml::Table, source: &Source) {
        for (name, value) in table {
            let key = format!("{prefix}{name}");
            match value {
                toml::Value::Table(table) if table.is_empty() && is_family(prefix) => {
                    self.empty.insert(key, source.clone());
                }
                toml::Value::Table(table) => self.flatten(&format!("{key}."), table, source),
                value => {
                    self.values.insert(key, (plain(value), source.clone()));
                }
            }
        }
    }
}

/// Whether tables with names stand after this.
fn is_family(prefix: &str) -> bool {
    FAMILIES.iter().any(|family| prefix.strip_suffix('.') == Some(family.prefix))
}

fn plain(value: toml::Value) -> String {
    match value {
        toml::Value::String(text) => text,
        toml::Value::Array(values) => values.into_iter().map(plain).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

fn hint(name: &str) -> String {
    if let Some(family) = FAMILIES.iter().find(|family| name.starts_with(&format!("{}.", family.prefix))) {
        let keys: Vec<_> = family.keys.iter().map(|key| key.name).collect();
        return format!(
            "no such key; there are {}, each in a table [{}.{}]",
            keys.join(", "),
            family.prefix,
            family.example
        );
    }
    let similar = |key: &&Key| {
        strsim::levenshtein(name, key.name) <= 2
            || key.name.ends_with(&format!(".{name}"))
            || key.name.starts_with(&format!("{name}."))
    };
    match KEYS.iter().find(similar) {
        Some(key) => format!("no such key; did you mean `{}`?", key.name),
        None => "no such key".into(),
    }
}
