//! What of the hooks of a document has to be true: what they call is there, and may be called.

use std::collections::BTreeMap;

use crossfade_core::{Result, hook};

use super::Look;

impl Look<'_> {
    /// Every function exists, and every host is one that the installation calls.
    pub(super) async fn hooks(&mut self) -> Result<()> {
        let mut looked: BTreeMap<&str, Option<String>> = BTreeMap::new();
        for (name, hook) in &self.document.hooks {
            if let Some(function) = hook.lambda.as_ref().or(hook.callback.as_ref()) {
                let arn = function.0.as_str();
                if !looked.contains_key(arn) {
                    looked.insert(arn, self.context.hooks.look(arn).await?);
                }
                if let Some(trouble) = &looked[arn] {
                    self.problems.add(format!("The hook {name} calls {arn}: {trouble}."));
                }
            }
            // Somebody who previews a deployment does not know which hosts those are.
            if let (Some(http), Some(hosts)) = (&hook.http, &self.context.settings.hook_hosts)
                && !hook::allowed(&http.url, hosts)
            {
                let known = if hosts.is_empty() { "none".to_owned() } else { hosts.join(", ") };
                self.problems.add(format!(
                    "The hook {name} calls {}, whose host the stack's parameter HookHosts does not name (it names {known}). Add it \
                     there.",
                    http.url
                ));
            }
        }
        Ok(())
    }
}
