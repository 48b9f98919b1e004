//! Reading EC2's answers.

use std::str::FromStr;

use roxmltree::{Document, Node};

use super::Ec2Error;

/// One element of an answer.
#[derive(Clone, Copy)]
pub(super) struct Element<'a>(Node<'a, 'a>);

impl<'a> Element<'a> {
    /// The child of that name.
    pub(super) fn child(self, name: &str) -> Option<Self> {
        self.0.children().find(|child| child.tag_name().name() == name).map(Self)
    }

    /// The child's text, unless it is missing or empty.
    pub(super) fn text(self, name: &str) -> Option<String> {
        self.child(name).and_then(Self::own_text)
    }

    /// The element's own text, unless it is empty.
    pub(super) fn own_text(self) -> Option<String> {
        let text: String = self.0.descendants().filter(Node::is_text).filter_map(|node| node.text()).collect();
        (!text.trim().is_empty()).then(|| text.trim().to_owned())
    }

    /// The child's text as a number or truth, unless it is missing or something else.
    pub(super) fn parse<T: FromStr>(self, name: &str) -> Option<T> {
        self.text(name)?.parse().ok()
    }

    /// The items of the list in that child.
    pub(super) fn items(self, name: &str) -> impl Iterator<Item = Self> {
        let list = self.child(name).map(|list| list.0);
        list.into_iter().flat_map(|list| list.children()).filter(|item| item.tag_name().name() == "item").map(Self)
    }

    /// All children, whatever their names: some lists call their items something else than `item`.
    pub(super) fn each(self) -> impl Iterator<Item = Self> {
        self.0.children().filter(Node::is_element).map(Self)
    }

    /// The texts of the items of the list in that child.
    pub(super) fn texts(self, name: &str) -> Vec<String> {
        self.items(name).filter_map(Self::own_text).collect()
    }

    /// A text that must be there.
    pub(super) fn required(self, name: &str) -> Result<String, Ec2Error> {
        self.text(name).ok_or_else(|| self.without(name))
    }

    /// A number that must be there.
    pub(super) fn required_number(self, name: &str) -> Result<u64, Ec2Error> {
        self.parse(name).ok_or_else(|| self.without(name))
    }

    /// A child that must be there.
    pub(super) fn required_child(self, name: &str) -> Result<Self, Ec2Error> {
        self.child(name).ok_or_else(|| self.without(name))
    }

    fn without(self, name: &str) -> Ec2Error {
        Ec2Error::unreadable(format!("EC2's answer has no {name} in {}", self.0.tag_name().name()))
    }
}

/// Reads an answer with `reader`, which gets its root.
pub(super) fn read<T>(body: &str, reader: impl FnOnce(Element) -> Result<T, Ec2Error>) -> Result<T, Ec2Error> {
    let document = Document::parse(body).map_err(|error| Ec2Error::unreadable(format!("EC2's answer: {error}")))?;
    reader(Element(document.root_element()))
}

/// Reads `<Response><Errors><Error><Code/><Message/></Error></Errors><RequestID/></Response>`.
pub(super) fn error(status: u16, body: &str) -> Ec2Error {
    let read = read(body, |root| {
        let error = root.required_child("Errors")?.required_child("Error")?;
        let message = error.text("Message").unwrap_or_default();
        let id = root.text("RequestID");
        Ok(Ec2Error::refused(status, &error.required("Code")?, message, id.as_deref()))
    });
    // A proxy's page, most likely.
    read.unwrap_or_else(|error| {
        Ec2Error::unreadable(format!("HTTP status {status}, and {}", error.message())).with_status(status)
    })
}
