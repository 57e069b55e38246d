"""Every constant of the association, in one place."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AssociationConfig:
    """Constants of the association.

    Evidence is a log-likelihood ratio, in nats: of "the same person" against "two
    people". Where a value says "chosen", it is a judgement that no data supports yet.

    Attributes:
        use_floor: Whether positions on the floor count.
        use_appearance: Whether appearance vectors count.

        acceleration_mps2: Standard deviation of a walker's acceleration, m/s^2.
            Pedestrian literature: 0.5 to 1.5.
        start_speed_sigma_mps: Uncertainty of the velocity of a new track, m/s. A walker
            does 1.4 m/s in an unknown direction.
        walking_speed_mps: Speed by which an error of the clock moves a person, m/s.
        top_speed_mps: Fastest return that is believed, m/s. Chosen: a slow run.
        gate_slack_m: Distance that a return may exceed the top speed by, metres.
            Chosen: covers the bias between two calibrations.

        floor_space_m2: Floor area per stranger; a pair of tracks counts as one person
            while its likelihood exceeds 1 / floor_space_m2. Chosen: a loose crowd.
        floor_evidence_limit: Most evidence of one comparison, nats. Bounds outliers.
        contradiction_distance_m: Distance beyond which two positions contradict each
            other, metres. Chosen: more than the bias between two calibrations and
            than a box that misses the feet.
        contradiction_sigmas: Standard deviations that such positions must be apart to
            be kept out of each other's mean.
        contradiction_limit: Most evidence of one such comparison against one person,
            nats: the density at five standard deviations.
        floor_correlation_s: Time after which positions are a new, independent proof,
            seconds. Foot points of neighbouring frames share their error.
        floor_memory_s: Time constant with which floor evidence fades, seconds.
        floor_first_weight: Weight of a pair's first comparison, in
            correlation times. Small: one close frame proves nothing.
        pair_evidence_limit: Most floor evidence of a pair, nats.
        pair_contradiction_limit: Most floor evidence against a pair, nats. Smaller:
            trackers take one person for another, and then it must be outlived.
        past_limit: Most floor evidence that remains of a pair when one track ends,
            nats. Chosen: proof enough to be final, and no more than seconds of
            standing together in another camera outweigh.

        appearance_slope: Evidence of a similarity of 1, nats, falling linearly to 0
            at the embedder's match similarity. Measured for stripes on crops of three
            cameras: 6.5, and 4.6 with shifted colours; networks are steeper.
        appearance_limit: Most evidence of one vector, nats.
        appearance_located_limit: Most evidence of all vectors of a track that stands
            on the floor, nats. Chosen: who looks alike may be two, but nobody is in
            two places.
        appearance_full_count: Vectors of a track after which more add nothing.
            Crops of one track look alike, so they are no independent proof.
        prototype_merge_similarity: Cosine above which a vector of a track is averaged
            into its nearest prototype instead of opening another.
        prototypes_per_track: Most prototypes that one live track holds.
        prototypes_per_person: Most prototypes that a person keeps.

        return_prior: Evidence that an arriving track is somebody who left rather
            than somebody new, nats. Chosen: new is likelier.
        return_floor_floor: Least evidence that a plausible position of return counts,
            nats. Beyond it appearance decides.
        return_spread_mps: Growth of the uncertainty where an absent person is, m/s.
        unlocated_prior: Evidence for joining a person who is present in other cameras
            without any comparable position, nats.
        met_before_prior: Evidence for a person whose ended track a camera saw together
            with this one, nats, while positions of the two are compared; otherwise
            that is impossible. The floor may outweigh it, as trackers take one person
            for another when they cross.
        gallery_horizon_s: Absence after which a person is recognised no more, seconds.
        gallery_limit: Most absent persons who can be recognised.

        join_evidence: Evidence that a track joins a person with, provisionally, nats.
        switch_margin: Lead that another person needs to take a provisional track.
        confirm_evidence: Evidence that makes a track's person final, nats.
        confirm_margin: Lead over the second-best person that this takes, nats.
        confirm_age_s: Age at which a track without rivals is confirmed, seconds.
        merge_evidence: Mean evidence at which two persons are one, nats.
        move_margin: Lead that another person, seen on the floor, needs to take a
            confirmed track, nats. As much as made it final.
        split_evidence: Floor evidence against its own person at which a confirmed
            track leaves it, nats.

        track_timeout_s: Silence after which a track counts as ended, seconds.
        return_event_gap_s: Absence that makes a recognition a return, seconds.
        history_keys: Ended tracks remembered per person, for what cannot be linked.

        embed_first_count: Vectors that a new track gets as soon as possible.
        embed_retry_s: Least time between two vectors of a young track, seconds.
        embed_ambiguous_s: Same for a track that is torn between persons, seconds.
        embed_refresh_s: Same for a settled track, seconds.
        embed_max_occlusion: Most occlusion of a box worth embedding.
        embed_min_score: Least score of a box worth embedding.

        portrait_interval_s: Least time between two requests for a person's picture.
        portrait_gain: Quality by which a new picture must beat the best.
        portrait_full_height_px: Height at which more pixels help no more.
    """

    use_floor: bool = True
    use_appearance: bool = True

    acceleration_mps2: float = 1.0
    start_speed_sigma_mps: float = 1.2
    walking_speed_mps: float = 1.4
    standing_speed_mps: float = 0.3
    top_speed_mps: float = 3.0
    gate_slack_m: float = 1.0

    floor_space_m2: float = 20.0
    floor_evidence_limit: float = 3.0
    contradiction_distance_m: float = 2.0
    contradiction_sigmas: float = 5.0
    contradiction_limit: float = 12.0
    floor_correlation_s: float = 0.5
    floor_correlation_m: float = 1.0
    floor_memory_s: float = 20.0
    bias_sigma_m: float = 0.4
    bias_slope_sigma: float = 0.05
    bias_noise_m: float = 0.2
    bias_prior_looks: float = 10.0
    bias_memory_looks: float = 500.0
    bias_least_nats: float = 0.0
    floor_first_weight: float = 0.3
    pair_evidence_limit: float = 10.0
    pair_contradiction_limit: float = 8.0
    past_limit: float = 4.0

    appearance_prior_half_gap: float = 0.2
    appearance_prior_sigma: float = 0.18
    appearance_prior_count: float = 10.0
    appearance_memory: float = 2000.0
    appearance_pause_s: float = 1.0
    appearance_limit: float = 12.0
    appearance_located_limit: float = 8.0
    appearance_full_count: int = 16
    prototypes_per_track: int = 1
    prototypes_per_person: int = 12

    return_prior: float = 0.0
    return_floor_floor: float = -2.0
    stay_probability: float = 0.9
    move_on_probability: float = 0.8
    stay_s: float = 60.0
    stay_spread_m: float = 0.3
    standing_heights_per_s: float = 0.2
    spot_sigma_heights: float = 0.2
    spot_spread_per_s: float = 0.4
    spot_sigma_log_height: float = 0.15
    spot_evidence_limit: float = 4.0
    stranger_space_heights: float = 3.0
    return_watch_s: float = 2.0
    return_spread_mps: float = 0.7
    unlocated_prior: float = -0.5
    met_before_prior: float = -4.0
    gallery_horizon_s: float = 1800.0
    gallery_limit: int = 500

    join_evidence: float = 0.5
    switch_margin: float = 1.0
    confirm_evidence: float = 2.0
    confirm_margin: float = 1.5
    confirm_age_s: float = 2.0
    merge_evidence: float = 1.5
    move_margin: float = 4.0
    split_evidence: float = 4.0

    track_timeout_s: float = 3.0
    return_event_gap_s: float = 2.0
    history_keys: int = 64

    embed_first_count: int = 8
    embed_retry_s: float = 0.5
    embed_ambiguous_s: float = 0.6
    embed_refresh_s: float = 4.0
    embed_max_occlusion: float = 0.4
    embed_patience_s: float = 1.0
    embed_desperate_occlusion: float = 0.8
    embed_min_score: float = 0.0

    portrait_interval_s: float = 2.0
    portrait_gain: float = 0.1
    portrait_full_height_px: float = 200.0
