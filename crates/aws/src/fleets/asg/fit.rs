//! Whether an image can run on what a base launches (P41).

use crossfade_core::{Kind, Result};

use super::{Groups, Machine};
use crate::fleets::Template;

impl Groups {
    pub(super) async fn fit(
        &self,
        ami: &str,
        base: &str,
        machine: Option<&Machine>,
        template: &mut Template,
    ) -> Result<()> {
        let image = match self.sources.image(ami).await {
            Err(failure) if failure.kind == Kind::PreflightFailed => {
                template.problems.push(failure.message);
                return Ok(());
            }
            image => image?,
        };
        let Some(machine) = machine else { return Ok(()) };
        for instance_type in &machine.instance_types {
            let architectures = self.sources.architectures(instance_type).await?;
            if !architectures.contains(&image.architecture) {
                template.problems.push(format!(
                    "artifact.ami = {} is built for {}, but the base {base} launches {instance_type}, which runs {}. Build the \
                     image for that architecture, or change the base's instance type.",
                    image.id,
                    image.architecture,
                    architectures.join(" or ")
                ));
            }
        }
        // P71: the base's own mapping of the root device would stand beside the image's.
        if let (Some(root), false) = (&image.root_device_name, machine.devices.is_empty())
            && !machine.devices.contains(root)
        {
            template.notes.push(format!(
                "The base maps {} but the image's root device is {root}: its size and type come from the image",
                machine.devices.join(", ")
            ));
        }
        Ok(())
    }
}
