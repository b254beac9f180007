//! Stream events: the names that `stream-event` rules use, and the set of them that a segment raises.

macro_rules! stream_events {
    ($($variant:ident = $name:literal,)*) => {
        /// What can be wrong with, or noteworthy of, a TCP segment.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum StreamEvent { $(#[doc = concat!("`", $name, "`")] $variant,)* }

        impl StreamEvent {
            /// Every event, in the order of their numbers.
            pub const ALL: &'static [StreamEvent] = &[$(StreamEvent::$variant),*];

            /// The name in rules, after `stream-event:`.
            pub const fn name(self) -> &'static str {
                match self { $(StreamEvent::$variant => $name,)* }
            }
        }
    };
}

stream_events! {
    Whs3AckDataInject = "3whs_ack_data_inject",
    Whs3AckInWrongDir = "3whs_ack_in_wrong_dir",
    Whs3AsyncWrongSeq = "3whs_async_wrong_seq",
    Whs3RightSeqWrongAckEvasion = "3whs_right_seq_wrong_ack_evasion",
    Whs3SynFlood = "3whs_syn_flood",
    Whs3SynResendDiffSeqOnSynRecv = "3whs_syn_resend_diff_seq_on_syn_recv",
    Whs3SynToclientOnSynRecv = "3whs_syn_toclient_on_syn_recv",
    Whs3SynackFlood = "3whs_synack_flood",
    Whs3SynackInWrongDirection = "3whs_synack_in_wrong_direction",
    Whs3SynackResendWithDiffSeq = "3whs_synack_resend_with_diff_seq",
    Whs3SynackResendWithDifferentAck = "3whs_synack_resend_with_different_ack",
    Whs3SynackTfoDataIgnored = "3whs_synack_tfo_data_ignored",
    Whs3SynackToserverOnSynRecv = "3whs_synack_toserver_on_syn_recv",
    Whs3SynackWithWrongAck = "3whs_synack_with_wrong_ack",
    Whs3WrongSeqWrongAck = "3whs_wrong_seq_wrong_ack",
    Whs4InvalidAck = "4whs_invalid_ack",
    Whs4SynackWithWrongAck = "4whs_synack_with_wrong_ack",
    Whs4SynackWithWrongSyn = "4whs_synack_with_wrong_syn",
    Whs4WrongSeq = "4whs_wrong_seq",
    ClosewaitAckOutOfWindow = "closewait_ack_out_of_window",
    ClosewaitFinOutOfWindow = "closewait_fin_out_of_window",
    ClosewaitInvalidAck = "closewait_invalid_ack",
    ClosewaitPktBeforeLastAck = "closewait_pkt_before_last_ack",
    ClosingAckWrongSeq = "closing_ack_wrong_seq",
    ClosingInvalidAck = "closing_invalid_ack",
    EstAckZwpData = "est_ack_zwp_data",
    EstInvalidAck = "est_invalid_ack",
    EstPacketOutOfWindow = "est_packet_out_of_window",
    EstPktBeforeLastAck = "est_pkt_before_last_ack",
    EstSynResend = "est_syn_resend",
    EstSynResendDiffSeq = "est_syn_resend_diff_seq",
    EstSynToclient = "est_syn_toclient",
    EstSynackResend = "est_synack_resend",
    EstSynackResendWithDiffSeq = "est_synack_resend_with_diff_seq",
    EstSynackResendWithDifferentAck = "est_synack_resend_with_different_ack",
    EstSynackToserver = "est_synack_toserver",
    Fin1AckWrongSeq = "fin1_ack_wrong_seq",
    Fin1FinWrongSeq = "fin1_fin_wrong_seq",
    Fin1InvalidAck = "fin1_invalid_ack",
    Fin2AckWrongSeq = "fin2_ack_wrong_seq",
    Fin2FinWrongSeq = "fin2_fin_wrong_seq",
    Fin2InvalidAck = "fin2_invalid_ack",
    FinButNoSession = "fin_but_no_session",
    FinInvalidAck = "fin_invalid_ack",
    FinOutOfWindow = "fin_out_of_window",
    FinSyn = "fin_syn",
    LastackAckWrongSeq = "lastack_ack_wrong_seq",
    LastackInvalidAck = "lastack_invalid_ack",
    PktBadWindowUpdate = "pkt_bad_window_update",
    PktBrokenAck = "pkt_broken_ack",
    PktInvalidAck = "pkt_invalid_ack",
    PktInvalidTimestamp = "pkt_invalid_timestamp",
    PktRetransmission = "pkt_retransmission",
    PktSpuriousRetransmission = "pkt_spurious_retransmission",
    ReassemblyDepthReached = "reassembly_depth_reached",
    ReassemblyInsertInvalid = "reassembly_insert_invalid",
    ReassemblyInsertLimit = "reassembly_insert_limit",
    ReassemblyInsertMemcap = "reassembly_insert_memcap",
    ReassemblyNoSegment = "reassembly_no_segment",
    ReassemblyOverlapDifferentData = "reassembly_overlap_different_data",
    ReassemblySegmentBeforeBaseSeq = "reassembly_segment_before_base_seq",
    ReassemblySeqGap = "reassembly_seq_gap",
    ReassemblyUrgentOobLimitReached = "reassembly_urgent_oob_limit_reached",
    RstButNoSession = "rst_but_no_session",
    RstInvalidAck = "rst_invalid_ack",
    RstWithData = "rst_with_data",
    ShutdownSynResend = "shutdown_syn_resend",
    SuspectedRstInject = "suspected_rst_inject",
    TimewaitAckWrongSeq = "timewait_ack_wrong_seq",
    TimewaitInvalidAck = "timewait_invalid_ack",
    WrongThread = "wrong_thread",
}

impl StreamEvent {
    /// The event of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|event| event.name() == name)
    }

    /// The name in EVE after `stream.`: that of rules, but for two.
    pub const fn eve_name(self) -> &'static str {
        match self {
            StreamEvent::Whs3SynackResendWithDifferentAck => "3whs_synack_resend_with_diff_ack",
            StreamEvent::EstSynackResendWithDifferentAck => "est_synack_resend_with_diff_ack",
            other => other.name(),
        }
    }
}

/// A set of stream events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamEvents(u128);

const _: () = assert!(StreamEvent::ALL.len() <= 128);

impl StreamEvents {
    /// Adds one.
    pub fn set(&mut self, event: StreamEvent) {
        self.0 |= 1 << event as u8;
    }

    /// Whether it is there.
    pub fn has(&self, event: StreamEvent) -> bool {
        self.0 & (1 << event as u8) != 0
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0 == 0
    }

    /// Those of both sets.
    #[must_use]
    pub fn union(self, other: StreamEvents) -> StreamEvents {
        StreamEvents(self.0 | other.0)
    }

    /// All of them, in the order of their numbers.
    pub fn iter(self) -> impl Iterator<Item = StreamEvent> {
        let mut left = self.0;
        std::iter::from_fn(move || {
            let event = StreamEvent::ALL.get(left.trailing_zeros() as usize).copied()?;
            left &= left - 1;
            Some(event)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_lead_back() {
        for event in StreamEvent::ALL {
            assert_eq!(StreamEvent::from_name(event.name()), Some(*event));
        }
        assert_eq!(StreamEvent::from_name("no_such_event"), None);
    }

    #[test]
    fn a_set_gives_back_what_was_put_in() {
        let mut set = StreamEvents::default();
        assert!(set.is_empty());
        for event in StreamEvent::ALL.iter().step_by(7) {
            set.set(*event);
        }
        assert!(set.iter().eq(StreamEvent::ALL.iter().copied().step_by(7)));
    }
}
