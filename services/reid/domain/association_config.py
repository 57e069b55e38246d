"""Every constant of the association, in one place."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AssociationConfig:
    """Constants of the association.

    Evidence is a log-likelihood ratio, in nats: of "the same person" against "two
    people". Where a value says "chosen", it is a judgement that no data supports yet.
    Where it says "compared", two or three values were tried on the first half of
    CAMPUS-Auditorium, and figures of that half lean towards the one that stayed.

    Attributes:
        use_floor: Whether positions on the floor count.
        use_appearance: Whether appearance vectors count.

        acceleration_mps2: Standard deviation of a walker's acceleration, m/s^2.
            Pedestrian literature: 0.5 to 1.5.
        standing_speed_mps: Speed up to which somebody stands or sits, m/s. A slow
            walk is 0.6.
        start_speed_sigma_mps: Uncertainty of the velocity of a new track, m/s. A walker
            does 1.4 m/s in an unknown direction.
        walking_speed_mps: Speed by which an error of the clock moves a person, m/s.
        top_speed_mps: Fastest return that is believed, m/s. Chosen: a slow run.
        gate_slack_m: Distance that a return may exceed the top speed by, metres.
            Chosen: covers the bias between two calibrations.

        bias_sigma_m: Standard deviation of the offset between the floors of two
            cameras before any was seen, metres. Chosen: markers clicked by hand on a
            plan, and foot points instead of feet.
        bias_slope_sigma: The same of its change per metre: a scale or a tilt that is
            wrong by so much. Compared: .05 against .1, a difference within the noise.
        bias_noise_m: What remains between two cameras that agree, metres. 0.20 is the
            median disagreement of the outdoor pair in the first half of
            CAMPUS-Auditorium.
        bias_prior_looks: Comparisons that `bias_noise_m` counts as. Chosen: a few.
        bias_memory_looks: Comparisons after which the oldest are forgotten. Chosen:
            minutes of company.
        bias_least_nats: Evidence of a pair of confirmed tracks of one person from
            which it teaches. 0: likelier one than two.
        bias_doubted_nats: The same where appearance made them one. As much as one
            look within the contradiction distance can speak against them.
        bias_least_vectors: Vectors of either track from which appearance did. Chosen:
            their mean is much better than one.

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
        floor_correlation_s: Time over which comparisons at one place are averaged,
            seconds. Foot points of neighbouring frames share their error.
        floor_correlation_m: Way after which a comparison is a new, independent proof,
            metres. Chosen: the distance at which walkers pass each other.
        floor_memory_s: Time constant with which floor evidence fades, seconds.
        floor_first_weight: Weight of a pair's first comparison, in
            correlation times. Small: one close frame proves nothing.
        pair_evidence_limit: Most floor evidence of a pair, nats.
        pair_contradiction_limit: Most floor evidence against a pair, nats. Smaller:
            trackers take one person for another, and then it must be outlived.
        past_limit: Most floor evidence that remains of a pair when one track ends,
            nats. Chosen: proof enough to be final, and no more than seconds of
            standing together in another camera outweigh.

        appearance_prior_half_gap: Distance of either mean from the match similarity
            before anything was seen, as Fisher transforms. With the next one, a
            separation of 2.2 standard deviations: an AUC of .94, as re-identification
            networks have across cameras.
        appearance_prior_sigma: Standard deviation of either, as Fisher transforms.
            Gives a slope of 12 nats; measured for stripes on crops of three cameras:
            6.5 nats from the match similarity to 1, networks are steeper.
        appearance_prior_within: Half gaps from the match similarity to how alike the
            vectors of one track are. Chosen: one gap beyond two tracks of one person.
        appearance_prior_count: Observations that these priors count as. Chosen: few.
        appearance_fit_count: Observations that a fit at the site counts as. Chosen: it
            rests on more pairs, and must follow a new season all the same.
        appearance_memory: Observations after which the oldest are forgotten. Chosen:
            minutes of a busy camera.
        appearance_pause_s: Time after which two vectors of one track are compared,
            seconds. Nearer ones are almost copies.
        appearance_limit: Most evidence of one comparison, nats. One in 160,000,
            more than any gallery that is compared. Compared: 3 and 12.
        appearance_located_limit: Most evidence of all vectors of a track that stands
            on the floor, nats. Who looks alike may be two, but nobody is in two places.
            Compared: 4 and 8. Against a position that was compared, the first look
            counts nothing, and looks count in full from `embed_first_count`.
        appearance_full_count: Vectors of a track over which its prototype is
            averaged; later ones displace the oldest.
        prototypes_per_track: Most prototypes that one live track holds. 1: their mean
            is what the literature compares tracks by.
        prototypes_per_person: Most prototypes that a person keeps.

        return_prior: Evidence that an arriving track is somebody who left rather
            than somebody new, nats: as likely as not. Compared: 0, .5 and 1, with
            `spot_sigma_heights`.
        return_floor_floor: Least evidence that a plausible position of return counts,
            nats. Beyond it appearance decides.
        return_spread_mps: Growth of the uncertainty where an absent person is, m/s.
        return_watch_s: Age up to which a track's place is weighed anew, seconds. The
            first boxes show the part that came out of cover.
        stay_probability: Share of those who stood when they were lost who still are
            there. Chosen.
        move_on_probability: Share of those who walked who went on. Chosen.
        stay_s: Time constant with which the first becomes unlikely, seconds. Chosen.
        stay_spread_m: How far who stands sways on the floor, metres. Chosen: a step.
        standing_heights_per_s: Speed of a box up to which somebody stands, in box
            heights per second: `standing_speed_mps` over 1.7 m.
        spot_sigma_heights: Standard deviation of a box of who stays, in heights.
            Four times what a detector jitters by: a cover moves the centre. Compared:
            .2 and .3.
        spot_spread_per_s: Its growth for who walks, heights per second:
            `return_spread_mps` over 1.7 m.
        spot_sigma_log_height: Standard deviation of the logarithm of the height.
            Chosen: a cover takes a seventh.
        spot_evidence_limit: Most evidence of one spot, nats. As much as makes final,
            twice.
        stranger_space_heights: Part of the picture per stranger, squared heights:
            `floor_space_m2` seen at a slant, 4.5 m by 1.8 m, over 1.7 m squared.
        unlocated_prior: Evidence for joining a person who is present in other cameras
            without any comparable position, nats.
        met_before_prior: Evidence for a person whose ended track a camera saw together
            with this one, nats, while positions of the two are compared; otherwise
            that is impossible. The floor may outweigh it, as trackers take one person
            for another when they cross.
        gallery_horizon_s: Absence after which a person is looked up in the archive and
            not compared with every new track, seconds. As long as the place of
            departure tells something.
        gallery_limit: Most absent persons who are compared with every new track.
        recall_delay_s: Time by the cameras' clock from a question to the archive to
            the tick that takes its answer, seconds. Chosen: many times what a lookup
            takes, and short beside the age at which a track is final.
        recall_stay_s: Time that a person from the archive is compared with the tracks,
            seconds. Chosen: longer than a track without rivals takes to be final.
        recall_counts: Vectors of a new person at which the archive is asked, once
            each. Chosen: at once, and with better knowledge.
        recall_vectors: Most prototypes of a new person that are asked about.
        recall_candidates: Most persons that one answer brings in.
        recall_guests: Most persons from the archive at one time; the next ones take
            the places of those who would leave first.

        join_evidence: Evidence that a track joins a person with, provisionally, nats.
            Compared: 0 and .5.
        switch_margin: Lead that another person needs to take a provisional track.
        confirm_evidence: Evidence that makes a track's person final, nats: seven to
            one. Compared: 2 and 4.
        confirm_margin: Lead over the second-best person that this takes, nats.
        confirm_age_s: Age at which a track without rivals is confirmed, seconds.
        merge_evidence: Mean evidence at which two persons are one, nats. Less than one
            comparison of people who stand can give, 2.5 nats where two floors are
            known to half a metre; the margin keeps neighbours apart. Compared: 1, 1.5,
            3 and 6.
        move_margin: Lead that another person needs to take a confirmed track, nats.
            Twice what made it final.
        split_evidence: Floor evidence against its own person at which a confirmed
            track leaves it, nats.

        track_timeout_s: Silence after which a track counts as ended, seconds.
        return_event_gap_s: Absence that makes a recognition a return, seconds.
        history_keys: Ended tracks remembered per person, for what cannot be linked.

        embed_first_count: Vectors that a new track gets as soon as possible. Chosen:
            until their mean is much better than one.
        embed_retry_s: Least time between two vectors of a young track, seconds.
        embed_ambiguous_s: Same for a track that is torn between persons, seconds.
        embed_refresh_s: Same for a settled track, seconds.
        embed_max_occlusion: Most occlusion of a box worth embedding.
        embed_patience_s: Age from which a track without a vector takes a worse one,
            seconds.
        embed_desperate_occlusion: Most occlusion of that. Chosen: a head is seen.
        embed_min_score: Least score of a box worth embedding.

        suspect_vectors: Observations before the embedder is suspected.
        suspect_separation: Standard deviations between strangers and one person's
            vectors below which it tells nothing. 0.5: an AUC of .64.
        suspect_looks: Comparisons before two floors are suspected.
        suspect_offset_m: Offset, or spread, of two floors that an operator should
            know of, metres. Chosen: more than the shoulders of two people.
        suspect_lag_s: Difference of two clocks that an operator should know of,
            seconds. Chosen: twice the age at which frames of one set may differ.
        suspect_lag_weight: What no lag counts as, squared metres per second of walk.
        suspect_repeat_s: Time after which a camera that repeats itself is suspected,
            seconds. No detector answers the same twice for a living picture.
        suspect_still_s: Time at one spot after which somebody is suspected to be a
            poster, seconds. Chosen: longer than people wait for a train.
        suspect_alike_vectors: Vectors that two tracks need before they are suspected
            to look alike. Chosen: as many as a new track gets at once.
        suspect_alike_nats: Evidence from which two whom a camera sees at once look
            like one, nats. Chosen: twenty to one, as strangers seldom do.

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

    bias_sigma_m: float = 0.4
    bias_slope_sigma: float = 0.05
    bias_noise_m: float = 0.2
    bias_prior_looks: float = 10.0
    bias_memory_looks: float = 500.0
    bias_least_nats: float = 0.0
    bias_doubted_nats: float = -3.0
    bias_least_vectors: int = 4

    floor_space_m2: float = 20.0
    floor_evidence_limit: float = 3.0
    contradiction_distance_m: float = 2.0
    contradiction_sigmas: float = 5.0
    contradiction_limit: float = 12.0
    floor_correlation_s: float = 0.5
    floor_correlation_m: float = 1.0
    floor_memory_s: float = 20.0
    floor_first_weight: float = 0.3
    pair_evidence_limit: float = 10.0
    pair_contradiction_limit: float = 8.0
    past_limit: float = 4.0

    appearance_prior_half_gap: float = 0.2
    appearance_prior_sigma: float = 0.18
    appearance_prior_within: float = 3.0
    appearance_prior_count: float = 10.0
    appearance_fit_count: float = 200.0
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
    gallery_horizon_s: float = 300.0
    gallery_limit: int = 500
    recall_delay_s: float = 0.3
    recall_stay_s: float = 3.0
    recall_counts: tuple[int, ...] = (1, 4)
    recall_vectors: int = 4
    recall_candidates: int = 4
    recall_guests: int = 32

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
    embed_retry_s: float = 1.0
    embed_ambiguous_s: float = 0.6
    embed_refresh_s: float = 4.0
    embed_max_occlusion: float = 0.4
    embed_patience_s: float = 1.0
    embed_desperate_occlusion: float = 0.8
    embed_min_score: float = 0.0

    suspect_vectors: float = 100.0
    suspect_separation: float = 0.5
    suspect_looks: float = 20.0
    suspect_offset_m: float = 1.0
    suspect_lag_s: float = 0.5
    suspect_lag_weight: float = 20.0
    suspect_repeat_s: float = 5.0
    suspect_still_s: float = 900.0
    suspect_alike_vectors: int = 8
    suspect_alike_nats: float = 3.0

    portrait_interval_s: float = 2.0
    portrait_gain: float = 0.1
    portrait_full_height_px: float = 200.0
