//! What fleets of several kinds scale by: the alarms behind their policies, and what is called differently for each fleet.

mod alarms;
mod names;

pub(crate) use alarms::{Alarms, Made, Owner, left_out};
pub(crate) use names::{Names, OPEN};
