//! The Query protocols' two halves: form fields in, XML out.
//!
//! What it owns: turning flat form fields into a [`Tree`], writing a [`Tree`] as XML, the envelopes of AWS Query and
//! EC2 Query, and cutting answers into pages. It knows no service.

use std::collections::BTreeMap;

use crate::world::{Refusal, Tree};
use crate::{Request, Response};

/// The form fields of a request as a tree: `Tags.member.1.Key` (AWS Query) and `Filter.1.Name` (EC2 Query) become
/// lists, `X.entry.1.key` becomes a map of strings.
pub fn parse(form: &BTreeMap<String, String>) -> Tree {
    let mut root = Tree::default();
    for (name, value) in form {
        insert(&mut root, name, value);
    }
    shape(root)
}

fn insert(tree: &mut Tree, path: &str, value: &str) {
    match path.split_once('.') {
        None => tree.set(path, Tree::text(value)),
        Some((name, rest)) => {
            let mut child = tree.take(name).filter(|child| matches!(child, Tree::Map(_))).unwrap_or_default();
            insert(&mut child, rest, value);
            tree.set(name, child);
        }
    }
}

/// Recognises lists and maps of strings in what the dots alone made a structure.
fn shape(tree: Tree) -> Tree {
    let Tree::Map(mut members) = tree else { return tree };
    if members.len() == 1 {
        if let Some(items) = members.remove("member") {
            return match shape(items) {
                list @ Tree::List(_) => list,
                _ => Tree::List(Vec::new()),
            };
        }
        if let Some(entries) = members.remove("entry") {
            let Tree::List(entries) = shape(entries) else { return Tree::Dict(BTreeMap::new()) };
            let pair = |entry: &Tree| Some((entry.str("key")?.to_owned(), entry.str("value")?.to_owned()));
            return Tree::Dict(entries.iter().filter_map(pair).collect());
        }
    }
    let numbered = !members.is_empty() && members.keys().all(|name| name.parse::<u32>().is_ok());
    if numbered {
        let mut items: Vec<(u32, Tree)> =
            members.into_iter().map(|(name, tree)| (name.parse().unwrap_or(0), shape(tree))).collect();
        items.sort_by_key(|(number, _)| *number);
        return Tree::List(items.into_iter().map(|(_, tree)| tree).collect());
    }
    Tree::Map(members.into_iter().map(|(name, tree)| (name, shape(tree))).collect())
}

/// XML under construction.
#[derive(Debug, Default)]
pub struct Xml(String);

impl Xml {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// An element with text.
    pub fn leaf(&mut self, name: &str, value: impl ToString) -> &mut Self {
        self.tag(name, |xml| xml.text(&value.to_string()))
    }

    /// Text, for inside an element.
    pub fn text(&mut self, text: &str) {
        for character in text.chars() {
            match character {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\r' => self.0.push_str("&#xD;"),
                other => self.0.push(other),
            }
        }
    }

    /// An element with text, when there is any.
    pub fn maybe(&mut self, name: &str, value: Option<impl ToString>) -> &mut Self {
        if let Some(value) = value {
            self.leaf(name, value);
        }
        self
    }

    /// An element around what `inside` writes.
    pub fn tag(&mut self, name: &str, inside: impl FnOnce(&mut Self)) -> &mut Self {
        self.0.extend(["<", name, ">"]);
        inside(self);
        self.0.extend(["</", name, ">"]);
        self
    }

    /// A list of AWS Query: `<name><member>…</member></name>`.
    pub fn members<T>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        each: impl FnMut(&mut Self, T),
    ) -> &mut Self {
        self.list(name, "member", items, each)
    }

    /// A list of EC2 Query: `<name><item>…</item></name>`.
    pub fn items<T>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        each: impl FnMut(&mut Self, T),
    ) -> &mut Self {
        self.list(name, "item", items, each)
    }

    fn list<T>(
        &mut self,
        name: &str,
        element: &str,
        items: impl IntoIterator<Item = T>,
        mut each: impl FnMut(&mut Self, T),
    ) -> &mut Self {
        self.tag(name, |xml| {
            for item in items {
                xml.tag(element, |xml| each(xml, item));
            }
        })
    }

    /// A tree of AWS Query, whose answers spell members as its requests do.
    pub fn tree(&mut self, name: &str, tree: &Tree) -> &mut Self {
        match tree {
            Tree::Leaf(text) => self.leaf(name, text),
            Tree::Map(_) => self.tag(name, |xml| xml.inside(tree)),
            Tree::List(items) => self.tag(name, |xml| {
                for item in items {
                    xml.tree("member", item);
                }
            }),
            Tree::Dict(entries) => self.tag(name, |xml| {
                for (key, value) in entries {
                    xml.tag("entry", |xml| {
                        xml.leaf("key", key).leaf("value", value);
                    });
                }
            }),
        }
    }

    /// The members of a structure, without an element around them.
    pub fn inside(&mut self, tree: &Tree) {
        for (name, tree) in tree.members() {
            self.tree(name, tree);
        }
    }

    /// What was written.
    pub fn into_string(self) -> String {
        self.0
    }
}

/// The answer of AWS Query: the result inside its two envelopes, or the error.
pub fn answer(request: &Request, namespace: &str, outcome: Result<Xml, Refusal>) -> Response {
    let operation = &request.operation;
    match outcome {
        Ok(Xml(result)) => Response::xml(
            200,
            format!(
                "<{operation}Response xmlns=\"{namespace}\"><{operation}Result>{result}</{operation}Result>\
                 <ResponseMetadata><RequestId>sim</RequestId></ResponseMetadata></{operation}Response>"
            ),
        ),
        Err(refusal) => Response::error(request.service, refusal.status, &refusal.code, &refusal.message),
    }
}

/// The answer of EC2 Query: one envelope, or the error.
pub fn answer_ec2(request: &Request, outcome: Result<Xml, Refusal>) -> Response {
    let operation = &request.operation;
    match outcome {
        Ok(Xml(result)) => Response::xml(
            200,
            format!(
                "<{operation}Response xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>sim</requestId>\
                 {result}</{operation}Response>"
            ),
        ),
        Err(refusal) => Response::error(request.service, refusal.status, &refusal.code, &refusal.message),
    }
}

/// Refuses every parameter that the model does not know, so that nothing is ignored in silence.
pub fn only(request: &Tree, known: &[&str]) -> Result<(), Refusal> {
    match request.members().map(|(name, _)| name).find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(Refusal::not_implemented(&format!("the parameter {name}"))),
        None => Ok(()),
    }
}

/// A parameter that must be there.
pub fn required<'a>(request: &'a Tree, name: &str) -> Result<&'a str, Refusal> {
    request.str(name).filter(|value| !value.is_empty()).ok_or_else(|| {
        Refusal::validation(&format!(
            "1 validation error detected: Value null at '{name}' failed to satisfy constraint: Member must not be null"
        ))
    })
}

/// A parameter that must be a number when it is there.
pub fn number(request: &Tree, name: &str) -> Result<Option<u32>, Refusal> {
    let Some(text) = request.str(name) else { return Ok(None) };
    let malformed = || Refusal::validation(&format!("{name} must be a number, and '{text}' is not one"));
    text.parse().map(Some).map_err(|_| malformed())
}

/// One page of `items`, and the token of the next one.
///
/// Tokens are positions. AWS's are opaque; that ours are not is no reason to read them.
pub fn page<T>(items: Vec<T>, token: Option<&str>, size: usize) -> Result<(Vec<T>, Option<String>), Refusal> {
    let start = match token.filter(|token| !token.is_empty()) {
        None => 0,
        Some(token) => token
            .strip_prefix("page-")
            .and_then(|position| position.parse::<usize>().ok())
            .filter(|position| *position <= items.len())
            .ok_or_else(|| Refusal::new(400, "InvalidNextToken", "The token is not valid."))?,
    };
    let total = items.len();
    let size = size.max(1);
    let page: Vec<T> = items.into_iter().skip(start).take(size).collect();
    let next = (start + size < total).then(|| format!("page-{}", start + size));
    Ok((page, next))
}
