//! Everything on the screen that has a look of its own.

macro_rules! roles {
    ($($variant:ident = $name:literal),* $(,)?) => {
        /// What a piece of the screen is. A theme gives each its look, under the same name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Role { $($variant),* }

        impl Role {
            pub const ALL: &[Role] = &[$(Role::$variant),*];
            pub const COUNT: usize = Self::ALL.len();

            pub fn name(self) -> &'static str {
                match self { $(Role::$variant => $name),* }
            }

            pub fn parse(name: &str) -> Option<Self> {
                match name { $($name => Some(Role::$variant),)* _ => None }
            }
        }
    };
}

roles! {
    Text = "text",
    Muted = "muted",
    Accent = "accent",
    Border = "border",
    Title = "title",
    Selected = "selected",
    Header = "header",
    Key = "key",
    ClockOk = "clock_ok",
    ClockLow = "clock_low",
    ClockZero = "clock_zero",
    ClockGhost = "clock_ghost",
    GaugeFill = "gauge_fill",
    GaugeEmpty = "gauge_empty",
    Spark = "spark",
    Charge = "charge",
    Refund = "refund",
    ChargeBig = "charge_big",
    StateWorking = "state_working",
    StateWaiting = "state_waiting",
    StateIdle = "state_idle",
    StateFinished = "state_finished",
    StateFailed = "state_failed",
    StateZero = "state_zero",
    Warn = "warn",
    Error = "error",
    FanMid = "fan_mid",
    FanBand = "fan_band",
    AgentClaude = "agent_claude",
    AgentCodex = "agent_codex",
    AgentGemini = "agent_gemini",
    AgentOpencode = "agent_opencode",
    AgentPi = "agent_pi",
    AgentQwen = "agent_qwen",
    AgentNative = "agent_native",
    RedKey = "red_key",
    HelpKey = "help_key",
}
