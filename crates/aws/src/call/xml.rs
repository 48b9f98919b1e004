//! Reading answers in XML.

use std::str::FromStr;

use roxmltree::{Document, Node};
use serde_json::Value;

use super::CallError;

/// One element of an answer.
#[derive(Clone, Copy)]
pub(crate) struct Element<'a>(Node<'a, 'a>);

impl<'a> Element<'a> {
    /// The child of that name.
    pub(crate) fn child(self, name: &str) -> Option<Self> {
        self.0.children().find(|child| child.tag_name().name() == name).map(Self)
    }

    /// The child's text, unless it is missing or empty.
    pub(crate) fn text(self, name: &str) -> Option<String> {
        self.child(name).and_then(Self::own_text)
    }

    /// The element's own text, unless it is empty.
    pub(crate) fn own_text(self) -> Option<String> {
        let text: String = self.0.descendants().filter(Node::is_text).filter_map(|node| node.text()).collect();
        (!text.trim().is_empty()).then(|| text.trim().to_owned())
    }

    /// The child's text as a number or truth, unless it is missing or something else.
    pub(crate) fn parse<T: FromStr>(self, name: &str) -> Option<T> {
        self.text(name)?.parse().ok()
    }

    /// The items of the list in that child, as EC2 writes lists.
    pub(crate) fn items(self, name: &str) -> impl Iterator<Item = Self> {
        self.list(name, "item")
    }

    /// The members of the list in that child, as everybody else does.
    pub(crate) fn members(self, name: &str) -> impl Iterator<Item = Self> {
        self.list(name, "member")
    }

    fn list(self, name: &str, each: &'static str) -> impl Iterator<Item = Self> {
        let list = self.child(name).map(|list| list.0);
        list.into_iter().flat_map(|list| list.children()).filter(move |item| item.tag_name().name() == each).map(Self)
    }

    /// What the element is called.
    pub(crate) fn name(self) -> String {
        self.0.tag_name().name().to_owned()
    }

    /// All children, whatever their names: some lists call their items something else than `item`.
    pub(crate) fn each(self) -> impl Iterator<Item = Self> {
        self.0.children().filter(Node::is_element).map(Self)
    }

    /// The texts of the items of the list in that child.
    pub(crate) fn texts(self, name: &str) -> Vec<String> {
        self.items(name).filter_map(Self::own_text).collect()
    }

    /// All of it, as JSON: a list of its items, an object of its children, or its text; null when it is empty.
    pub(crate) fn json(self) -> Value {
        let children: Vec<Self> = self.each().collect();
        match children.as_slice() {
            [] => self.own_text().map_or(Value::Null, Value::String),
            items if items.iter().all(|it| ["member", "item"].contains(&it.name().as_str())) => {
                items.iter().map(|item| item.json()).collect()
            }
            fields => Value::Object(fields.iter().map(|field| (field.name(), field.json())).collect()),
        }
    }

    /// A text that must be there.
    pub(crate) fn required(self, name: &str) -> Result<String, CallError> {
        self.text(name).ok_or_else(|| self.without(name))
    }

    /// A number that must be there.
    pub(crate) fn required_number(self, name: &str) -> Result<u64, CallError> {
        self.parse(name).ok_or_else(|| self.without(name))
    }

    /// A child that must be there.
    pub(crate) fn required_child(self, name: &str) -> Result<Self, CallError> {
        self.child(name).ok_or_else(|| self.without(name))
    }

    fn without(self, name: &str) -> CallError {
        CallError::unreadable(format!("the answer has no {name} in {}", self.0.tag_name().name()))
    }
}

/// A text as it stands in a document.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Reads an answer with `reader`, which gets its root.
pub(super) fn read<T>(body: &str, reader: impl FnOnce(Element) -> Result<T, CallError>) -> Result<T, CallError> {
    let document = Document::parse(body).map_err(|error| CallError::unreadable(format!("the answer: {error}")))?;
    reader(Element(document.root_element()))
}

/// Reads `<Response><Errors><Error><Code/><Message/></Error></Errors><RequestID/></Response>` (EC2),
/// `<ErrorResponse><Error>…</Error><RequestId/></ErrorResponse>` (the other Query services) or `<Error>…<RequestId/></Error>`
/// (S3).
pub(super) fn error(status: u16, body: &str) -> CallError {
    let read = read(body, |root| {
        let error = match (root.child("Errors"), root.child("Error")) {
            (Some(errors), _) => errors.required_child("Error")?,
            (None, Some(error)) => error,
            (None, None) => root,
        };
        let message = error.text("Message").unwrap_or_default();
        let id = root.text("RequestID").or_else(|| root.text("RequestId"));
        Ok(CallError::refused(status, &error.required("Code")?, message, id.as_deref()))
    });
    // A proxy's page, most likely.
    read.unwrap_or_else(|error| {
        CallError::unreadable(format!("HTTP status {status}, and {}", error.message())).with_status(status)
    })
}
