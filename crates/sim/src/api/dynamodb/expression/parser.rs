//! The grammar of DynamoDB's expressions, by recursive descent.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::condition::{Comparison, Condition, Operand};
use super::lexer::{Token, tokens};
use super::path::{Path, Step};
use super::placeholders::Placeholders;
use super::update::{Action, Computed, Update};
use crate::api::dynamodb::refusal::{Refusal, invalid};
use crate::api::dynamodb::value::Value;

/// The longest expression, in bytes (developer guide, service quotas).
const BYTES: usize = 4096;
/// How deep parentheses and NOT may be nested here; DynamoDB counts operators instead (300).
const DEPTH: usize = 64;
/// Words that cannot stand for themselves (developer guide, reserved words).
static RESERVED: LazyLock<BTreeSet<&str>> =
    LazyLock::new(|| include_str!("../reserved_words.txt").split_whitespace().collect());

/// Parses a `ConditionExpression`, `FilterExpression` or `KeyConditionExpression`, as `kind` says.
pub(in super::super) fn parse_condition(
    kind: &'static str,
    expression: &str,
    placeholders: &mut Placeholders,
) -> Result<Condition, Refusal> {
    parse(kind, expression, placeholders, |parser| Ok(parser.any()?.0))
}

/// Parses an `UpdateExpression`.
pub(in super::super) fn parse_update(expression: &str, placeholders: &mut Placeholders) -> Result<Update, Refusal> {
    parse("UpdateExpression", expression, placeholders, |parser| parser.update())
}

/// Parses a `ProjectionExpression`.
pub(in super::super) fn parse_projection(
    expression: &str,
    placeholders: &mut Placeholders,
) -> Result<Vec<Path>, Refusal> {
    parse("ProjectionExpression", expression, placeholders, |parser| {
        let paths = parser.list(|parser| parser.path())?;
        no_clash(&paths)?;
        Ok(paths)
    })
}

fn parse<T>(
    kind: &'static str,
    expression: &str,
    placeholders: &mut Placeholders,
    rule: impl FnOnce(&mut Parser) -> Result<T, String>,
) -> Result<T, Refusal> {
    let refuse = |message: String| invalid(&format!("Invalid {kind}: {message}"));
    if expression.trim().is_empty() {
        return Err(refuse("The expression can not be empty;".to_owned()));
    }
    if expression.len() > BYTES {
        let message = "Expression size has exceeded the maximum allowed size";
        return Err(refuse(format!("{message}; expression size: {}", expression.len())));
    }
    let tokens = tokens(expression).map_err(|near| refuse(format!("Syntax error; token: \"{near}\"")))?;
    let mut parser = Parser { tokens, at: 0, depth: 0, placeholders };
    let parsed = rule(&mut parser).map_err(refuse)?;
    if parser.at < parser.tokens.len() {
        return Err(refuse(parser.syntax_error()));
    }
    Ok(parsed)
}

struct Parser<'a> {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    placeholders: &'a mut Placeholders,
}

impl Parser<'_> {
    // Tokens.

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn syntax_error(&self) -> String {
        let text = |at: usize| self.tokens.get(at).map_or_else(|| "<EOF>".to_owned(), Token::text);
        let near: Vec<_> = (self.at.saturating_sub(1)..self.at + 2).map(text).collect();
        format!("Syntax error; token: \"{}\", near: \"{}\"", text(self.at), near.join(" "))
    }

    fn symbol(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Symbol(next)) if *next == symbol);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, symbol: &str) -> Result<(), String> {
        if self.symbol(symbol) { Ok(()) } else { Err(self.syntax_error()) }
    }

    fn keyword(&mut self, keyword: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(word)) if word.eq_ignore_ascii_case(keyword));
        self.at += usize::from(found);
        found
    }

    /// The name of a function, if one is called here. Functions are in lower case, and only there.
    fn function(&self) -> Option<String> {
        match (self.peek(), self.tokens.get(self.at + 1)) {
            (Some(Token::Word(name)), Some(Token::Symbol("("))) => Some(name.clone()),
            _ => None,
        }
    }

    fn list<T>(&mut self, mut rule: impl FnMut(&mut Self) -> Result<T, String>) -> Result<Vec<T>, String> {
        let mut list = vec![rule(self)?];
        while self.symbol(",") {
            list.push(rule(self)?);
        }
        Ok(list)
    }

    // Conditions. The flag tells whether the condition is nothing but one in parentheses.

    fn any(&mut self) -> Result<(Condition, bool), String> {
        let (first, parenthesised) = self.all()?;
        let mut conditions = vec![first];
        while self.keyword("OR") {
            conditions.push(self.all()?.0);
        }
        Ok(if conditions.len() == 1 {
            (conditions.remove(0), parenthesised)
        } else {
            (Condition::Any(conditions), false)
        })
    }

    fn all(&mut self) -> Result<(Condition, bool), String> {
        let (first, parenthesised) = self.not()?;
        let mut conditions = vec![first];
        while self.keyword("AND") {
            conditions.push(self.not()?.0);
        }
        Ok(if conditions.len() == 1 {
            (conditions.remove(0), parenthesised)
        } else {
            (Condition::All(conditions), false)
        })
    }

    fn not(&mut self) -> Result<(Condition, bool), String> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err("The expression contains too many operators".to_owned());
        }
        let condition = if self.keyword("NOT") {
            (Condition::Not(Box::new(self.not()?.0)), false)
        } else if self.symbol("(") {
            let (condition, parenthesised) = self.any()?;
            self.expect(")")?;
            if parenthesised {
                return Err("The expression has redundant parentheses;".to_owned());
            }
            (condition, true)
        } else {
            (self.test()?, false)
        };
        self.depth -= 1;
        Ok(condition)
    }

    fn test(&mut self) -> Result<Condition, String> {
        match self.function().as_deref() {
            Some("size") | None => self.comparison(),
            Some(name) => self.predicate(name),
        }
    }

    fn comparison(&mut self) -> Result<Condition, String> {
        let left = self.operand()?;
        if self.keyword("BETWEEN") {
            let low = self.operand()?;
            if !self.keyword("AND") {
                return Err(self.syntax_error());
            }
            let high = self.operand()?;
            check_bounds(&low, &high)?;
            return Ok(Condition::Between(left, low, high));
        }
        if self.keyword("IN") {
            self.expect("(")?;
            let choices = self.list(|parser| parser.operand())?;
            self.expect(")")?;
            if choices.len() > 100 {
                return Err(format!(
                    "Incorrect number of operands for operator or function; operator or function: IN, number of operands: {}",
                    choices.len() + 1
                ));
            }
            return Ok(Condition::In(left, choices));
        }
        let comparisons = [
            Comparison::Equal,
            Comparison::NotEqual,
            Comparison::LessOrEqual,
            Comparison::GreaterOrEqual,
            Comparison::Less,
            Comparison::Greater,
        ];
        let Some(comparison) = comparisons.into_iter().find(|comparison| self.symbol(comparison.symbol())) else {
            return Err(self.syntax_error());
        };
        let right = self.operand()?;
        let ordered = !matches!(comparison, Comparison::Equal | Comparison::NotEqual);
        for operand in [&left, &right].into_iter().filter(|_| ordered) {
            check_type(operand, comparison.symbol(), &["S", "N", "B"])?;
        }
        if let (Operand::Path(a), Operand::Path(b)) = (&left, &right)
            && a == b
        {
            return Err(format!(
                "The first operand must be distinct from the remaining operands for this operator or function; \
                 operator: {}, first operand: {a}",
                comparison.symbol()
            ));
        }
        Ok(Condition::Compare(left, comparison, right))
    }

    fn predicate(&mut self, name: &str) -> Result<Condition, String> {
        if !["attribute_exists", "attribute_not_exists", "attribute_type", "begins_with", "contains"].contains(&name) {
            return Err(format!("Invalid function name; function: {name}"));
        }
        self.at += 2;
        let operands = self.list(|parser| parser.operand())?;
        self.expect(")")?;
        let wanted = if name.ends_with("exists") { 1 } else { 2 };
        if operands.len() != wanted {
            return Err(format!(
                "Incorrect number of operands for operator or function; operator or function: {name}, \
                 number of operands: {}",
                operands.len()
            ));
        }
        let mut operands = operands.into_iter();
        match (name, operands.next(), operands.next()) {
            ("attribute_exists", Some(Operand::Path(path)), None) => Ok(Condition::Exists(path)),
            ("attribute_not_exists", Some(Operand::Path(path)), None) => Ok(Condition::Missing(path)),
            ("attribute_type", Some(Operand::Path(path)), Some(Operand::Literal(Value::S(kind)))) => {
                let kinds = ["S", "N", "B", "BOOL", "NULL", "M", "L", "SS", "NS", "BS"];
                if !kinds.contains(&kind.as_str()) {
                    return Err(format!("Invalid attribute type name found; type: {kind}"));
                }
                Ok(Condition::IsType(path, kind))
            }
            ("begins_with", Some(operand), Some(start)) => {
                check_type(&operand, name, &["S", "B"])?;
                check_type(&start, name, &["S", "B"])?;
                Ok(Condition::BeginsWith(operand, start))
            }
            ("contains", Some(operand), Some(part)) => Ok(Condition::Contains(operand, part)),
            _ => Err(format!("Operator or function requires a document path; operator or function: {name}")),
        }
    }

    fn operand(&mut self) -> Result<Operand, String> {
        match self.function().as_deref() {
            Some("size") => {
                self.at += 2;
                let path = self.path()?;
                self.expect(")")?;
                return Ok(Operand::Size(path));
            }
            Some(name) => return Err(format!("The function is not allowed to be used this way; function: {name}")),
            None => {}
        }
        Ok(match self.literal()? {
            Some(value) => Operand::Literal(value),
            None => Operand::Path(self.path()?),
        })
    }

    fn literal(&mut self) -> Result<Option<Value>, String> {
        let Some(Token::Value(placeholder)) = self.peek().cloned() else { return Ok(None) };
        self.at += 1;
        self.placeholders.value(&placeholder).map(Some)
    }

    // Paths.

    fn path(&mut self) -> Result<Path, String> {
        let attribute = self.name()?;
        let mut steps = vec![];
        loop {
            if self.symbol(".") {
                steps.push(Step::Name(self.name()?));
            } else if self.symbol("[") {
                let Some(Token::Number(index)) = self.peek() else { return Err(self.syntax_error()) };
                steps.push(Step::Index(*index));
                self.at += 1;
                self.expect("]")?;
            } else {
                return Ok(Path { attribute, steps });
            }
        }
    }

    fn name(&mut self) -> Result<String, String> {
        let name = match self.peek().cloned() {
            Some(Token::Name(placeholder)) => self.placeholders.name(&placeholder)?,
            Some(Token::Word(word)) if RESERVED.contains(word.to_ascii_uppercase().as_str()) => {
                return Err(format!("Attribute name is a reserved keyword; reserved keyword: {word}"));
            }
            Some(Token::Word(word)) => word,
            _ => return Err(self.syntax_error()),
        };
        self.at += 1;
        Ok(name)
    }

    // Updates.

    fn update(&mut self) -> Result<Update, String> {
        let mut update = Update::default();
        let mut seen = vec![];
        while self.peek().is_some() {
            let sections = ["SET", "REMOVE", "ADD", "DELETE"];
            let Some(section) = sections.into_iter().find(|section| self.keyword(section)) else {
                return Err(self.syntax_error());
            };
            if seen.contains(&section) {
                return Err(format!("The \"{section}\" section can only be used once in an update expression;"));
            }
            seen.push(section);
            update.actions.extend(self.list(|parser| parser.action(section))?);
        }
        no_clash(&update.paths())?;
        Ok(update)
    }

    fn action(&mut self, section: &str) -> Result<Action, String> {
        let path = self.path()?;
        match section {
            "SET" => {
                self.expect("=")?;
                Ok(Action::Set(path, self.sum()?))
            }
            "REMOVE" => Ok(Action::Remove(path)),
            _ => {
                let value = self.literal()?.ok_or_else(|| self.syntax_error())?;
                let kinds: &[&str] = if section == "ADD" { &["N", "SS", "NS", "BS"] } else { &["SS", "NS", "BS"] };
                check_type(&Operand::Literal(value.clone()), section, kinds)?;
                Ok(if section == "ADD" { Action::Add(path, value) } else { Action::Delete(path, value) })
            }
        }
    }

    /// DynamoDB allows one `+` or `-`, not a chain.
    fn sum(&mut self) -> Result<Computed, String> {
        let first = self.computed()?;
        if self.symbol("+") {
            Ok(Computed::Sum(Box::new(first), Box::new(self.computed()?)))
        } else if self.symbol("-") {
            Ok(Computed::Difference(Box::new(first), Box::new(self.computed()?)))
        } else {
            Ok(first)
        }
    }

    fn computed(&mut self) -> Result<Computed, String> {
        let Some(function) = self.function() else {
            return Ok(match self.literal()? {
                Some(value) => Computed::Literal(value),
                None => Computed::Path(self.path()?),
            });
        };
        if self.depth > DEPTH {
            return Err("The expression contains too many operators".to_owned());
        }
        self.depth += 1;
        self.at += 2;
        let computed = match function.as_str() {
            "if_not_exists" => {
                let path = self.path()?;
                self.expect(",")?;
                Computed::IfNotExists(path, Box::new(self.computed()?))
            }
            "list_append" => {
                let first = self.computed()?;
                self.expect(",")?;
                Computed::ListAppend(Box::new(first), Box::new(self.computed()?))
            }
            _ => return Err(format!("Invalid function name; function: {function}")),
        };
        self.expect(")")?;
        self.depth -= 1;
        Ok(computed)
    }
}

fn no_clash(paths: &[Path]) -> Result<(), String> {
    for (n, path) in paths.iter().enumerate() {
        for other in &paths[..n] {
            if let Some(how) = other.clash(path) {
                return Err(format!(
                    "Two document paths {how} with each other; must remove or rewrite one of these paths; \
                     path one: {other}, path two: {path}"
                ));
            }
        }
    }
    Ok(())
}

fn check_type(operand: &Operand, operator: &str, kinds: &[&str]) -> Result<(), String> {
    match operand {
        Operand::Literal(value) if !kinds.contains(&value.kind()) => Err(format!(
            "Incorrect operand type for operator or function; operator or function: {operator}, operand type: {}",
            value.kind()
        )),
        _ => Ok(()),
    }
}

fn check_bounds(low: &Operand, high: &Operand) -> Result<(), String> {
    for bound in [low, high] {
        check_type(bound, "BETWEEN", &["S", "N", "B"])?;
    }
    let (Operand::Literal(low), Operand::Literal(high)) = (low, high) else { return Ok(()) };
    let bounds = || format!("lower bound operand: {}, upper bound operand: {}", low.to_json(), high.to_json());
    match low.order(high) {
        None => Err(format!("The BETWEEN operator requires same data type for lower and upper bounds; {}", bounds())),
        Some(std::cmp::Ordering::Greater) => Err(format!(
            "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; {}",
            bounds()
        )),
        Some(_) => Ok(()),
    }
}
