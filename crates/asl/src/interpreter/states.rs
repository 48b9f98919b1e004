//! Choice, Wait, Pass, Succeed and Fail.

use serde_json::Value;

use super::{End, Exit, Run, Visit};
use crate::choice::timestamp_millis;
use crate::definition::{Choice, Fail, Filter, Pass, Span, Text, Until, Wait};
use crate::paths::Path;

impl<'a> Run<'a> {
    pub(super) fn choice(&self, choice: &'a Choice, visit: &Visit<'_>) -> Result<Exit<'a>, End> {
        let context = self.context(visit);
        let input = self.effective_input(&choice.filter, visit, &context)?;
        let scope = self.scope(&input, &context);
        let mut next = choice.default.as_deref();
        for (rule, target) in &choice.choices {
            if rule.holds(&scope).map_err(|cause| visit.runtime(&cause))? {
                next = Some(target);
                break;
            }
        }
        let Some(next) = next else {
            return Err(visit.runtime("Failed to transition out of the state. No choice rule matched and no Default."));
        };
        let output = self.effective_output(&choice.filter, visit, &context, input)?;
        Ok(Exit { output: visit.bounded(output)?, next: Some(next) })
    }

    pub(super) async fn wait(&self, wait: &'a Wait, visit: &Visit<'_>) -> Result<Exit<'a>, End> {
        let context = self.context(visit);
        let input = self.effective_input(&wait.filter, visit, &context)?;
        let until = match &wait.until {
            Until::Seconds(span) => {
                let seconds = self.seconds(span, "SecondsPath", 0, &input, &context, visit)?;
                visit.entered_millis.saturating_add(seconds.saturating_mul(1000))
            }
            Until::Timestamp(millis) => *millis,
            Until::TimestampPath(path) => {
                let value = self.scope(&input, &context).get(path, "TimestampPath");
                let value = value.map_err(|cause| visit.runtime(&cause))?;
                let millis = value.as_str().and_then(timestamp_millis);
                let millis =
                    millis.ok_or_else(|| visit.runtime(&format!("TimestampPath leads to {value}, no timestamp.")))?;
                u64::try_from(millis).unwrap_or(0)
            }
        };
        self.host.sleep_until(until).await;
        let output = self.effective_output(&wait.filter, visit, &context, input)?;
        Ok(self.exit(visit.bounded(output)?, &wait.transition))
    }

    pub(super) fn pass(&self, pass: &'a Pass, visit: &Visit<'_>) -> Result<Exit<'a>, End> {
        let context = self.context(visit);
        let mut input = self.effective_input(&pass.filter, visit, &context)?;
        if let Some(parameters) = &pass.parameters {
            input = self.evaluate(parameters, &input, &context, visit)?;
        }
        let result = pass.result.clone().unwrap_or(input);
        let output = self.place(pass.result_path.as_ref(), visit, result)?;
        let output = self.effective_output(&pass.filter, visit, &context, output)?;
        Ok(self.exit(visit.bounded(output)?, &pass.transition))
    }

    pub(super) fn succeed(&self, filter: &'a Filter, visit: &Visit<'_>) -> Result<Exit<'a>, End> {
        let context = self.context(visit);
        let input = self.effective_input(filter, visit, &context)?;
        let output = self.effective_output(filter, visit, &context, input)?;
        Ok(Exit { output: visit.bounded(output)?, next: None })
    }

    pub(super) fn fail(&self, fail: &'a Fail, visit: &Visit<'_>) -> End {
        let context = self.context(visit);
        let text = |text: &Option<Text>, field: &str| match text {
            None => Ok(None),
            Some(Text::Literal(text)) => Ok(Some(text.clone())),
            Some(Text::Computed(expression)) => {
                let random = || self.host.random();
                let scope = crate::template::Scope { random: &random, ..self.scope(&visit.input, &context) };
                match expression.evaluate(field, &scope) {
                    Ok(Value::String(text)) => Ok(Some(text)),
                    Ok(other) => Err(visit.runtime(&format!("{field} leads to {other}, no string."))),
                    Err(cause) => Err(visit.runtime(&cause)),
                }
            }
        };
        match (text(&fail.error, "ErrorPath"), text(&fail.cause, "CausePath")) {
            (Ok(error), Ok(cause)) => End::Failed { error, cause },
            (Err(end), _) | (_, Err(end)) => end,
        }
    }

    /// Evaluates a payload template.
    pub(super) fn evaluate(
        &self,
        template: &crate::template::Template,
        input: &Value,
        context: &Value,
        visit: &Visit<'_>,
    ) -> Result<Value, End> {
        let random = || self.host.random();
        let scope = crate::template::Scope { input, context, random: &random };
        template.evaluate(&scope).map_err(|cause| visit.runtime(&cause))
    }

    /// A result put into the state's raw input; without a path the result is discarded.
    pub(super) fn place(&self, path: Option<&Path>, visit: &Visit<'_>, result: Value) -> Result<Value, End> {
        let mut output = visit.input.clone();
        if let Some(path) = path {
            path.put(&mut output, result).map_err(|error| visit.runtime(&error.to_string()))?;
        }
        Ok(output)
    }

    /// A number of seconds, read from the input if need be.
    pub(super) fn seconds(
        &self,
        span: &Span,
        field: &str,
        least: u64,
        input: &Value,
        context: &Value,
        visit: &Visit<'_>,
    ) -> Result<u64, End> {
        match span {
            Span::Seconds(seconds) => Ok(*seconds),
            Span::Path(path) => {
                let value = self.scope(input, context).get(path, field).map_err(|cause| visit.runtime(&cause))?;
                let seconds = value.as_u64().filter(|seconds| (least..=99_999_999).contains(seconds));
                seconds.ok_or_else(|| visit.runtime(&format!("{field} leads to {value}, no valid number of seconds.")))
            }
        }
    }
}
