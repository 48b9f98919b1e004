//! What a task is: its states, why it stops, what it belongs to. How it comes to run is in `starting`, how it leaves in
//! `leaving`.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::world::servers::Server;
use crate::world::{TargetKey, World};

/// Where a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TaskState {
    /// Gets its network interface.
    Provisioning,
    /// Waits for its images.
    Pending,
    /// Its containers are up; the last preparations.
    Activating,
    /// Runs.
    Running,
    /// Leaves its target groups.
    Deactivating,
    /// Its containers end.
    Stopping,
    /// Its network interface goes.
    Deprovisioning,
    /// Gone.
    Stopped,
}

impl TaskState {
    /// As the API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Provisioning => "PROVISIONING",
            Self::Pending => "PENDING",
            Self::Activating => "ACTIVATING",
            Self::Running => "RUNNING",
            Self::Deactivating => "DEACTIVATING",
            Self::Stopping => "STOPPING",
            Self::Deprovisioning => "DEPROVISIONING",
            Self::Stopped => "STOPPED",
        }
    }
}

/// Why a task stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopCode {
    /// It never came to run.
    TaskFailedToStart,
    /// An essential container ended by itself.
    EssentialContainerExited,
    /// Somebody stopped it.
    UserInitiated,
    /// Its service did.
    ServiceSchedulerInitiated,
    /// AWS took what it ran on.
    TerminationNotice,
}

impl StopCode {
    /// As the API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TaskFailedToStart => "TaskFailedToStart",
            Self::EssentialContainerExited => "EssentialContainerExited",
            Self::UserInitiated => "UserInitiated",
            Self::ServiceSchedulerInitiated => "ServiceSchedulerInitiated",
            Self::TerminationNotice => "TerminationNotice",
        }
    }
}

/// One task of a service.
#[derive(Clone, Debug)]
pub struct Task {
    /// Its id.
    pub id: String,
    /// Its ARN.
    pub arn: String,
    /// Its service: cluster and name.
    pub service: (String, String),
    /// The deployment that started it.
    pub deployment: String,
    /// The ARN of its task definition.
    pub definition: String,
    /// Where it stands.
    pub state: TaskState,
    /// Its application.
    pub server: Server,
    /// The address of its network interface, when it has one of its own.
    pub address: Option<String>,
    /// The id of the EC2 instance that it runs on; none on Fargate.
    pub host: Option<String>,
    /// Its zone.
    pub zone: String,
    /// The target groups that it belongs to, and as what.
    pub targets: Vec<(String, TargetKey)>,
    /// By container and its port, the port of the host.
    pub ports: BTreeMap<(String, u16), u16>,
    /// Until when it is protected from scale-in.
    pub protected_until: Option<u64>,
    /// Why it stops, and in words.
    pub stop: Option<(StopCode, String)>,
    /// With what its containers ended.
    pub exit_code: Option<i64>,
    /// Why its service is going to replace it.
    pub(super) ill: Option<String>,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) config: serde_json::Map<String, Value>,
    pub(crate) created_at: u64,
    pub(crate) pull_at: Option<u64>,
    pub(crate) pulled_at: Option<u64>,
    pub(crate) started_at: Option<u64>,
    pub(crate) stopping_at: Option<u64>,
    pub(crate) stopped_at: Option<u64>,
    /// Whether its targets were deregistered.
    pub(super) let_go: bool,
    /// Whether it tells about its own health.
    pub(crate) has_health_check: bool,
}

impl Task {
    /// Whether it is meant to run.
    pub fn is_living(&self) -> bool {
        self.stop.is_none()
    }

    /// The Cloud Map services that it belongs to.
    pub(super) fn registries(&self) -> Vec<String> {
        let all = self.config.get("serviceRegistries").and_then(Value::as_array).into_iter().flatten();
        all.filter_map(|it| it["registryArn"].as_str()).map(str::to_owned).collect()
    }

    /// Whether it runs, and is meant to.
    pub fn is_running(&self) -> bool {
        self.is_living() && self.state == TaskState::Running
    }
}

/// Whether a container, as its definition has it, has a port.
pub(crate) fn has_port(container: &Value, port: u64) -> bool {
    container["portMappings"].as_array().is_some_and(|mappings| mappings.iter().any(|it| it["containerPort"] == port))
}

/// The state of the containers of a task.
pub(crate) fn container_state(task: &Task) -> &'static str {
    match task.state {
        TaskState::Provisioning | TaskState::Pending => "PENDING",
        TaskState::Activating | TaskState::Running | TaskState::Deactivating | TaskState::Stopping => "RUNNING",
        TaskState::Deprovisioning | TaskState::Stopped => "STOPPED",
    }
}

impl World {
    /// A task, also one that has stopped lately.
    pub fn task(&self, id: &str) -> Option<&Task> {
        self.ecs.tasks.get(id)
    }
}
