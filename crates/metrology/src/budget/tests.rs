use super::*;

fn budget(components: Vec<Component>) -> Budget {
    Budget { components, correlations: vec![] }
}

fn known(name: &str, standard_uncertainty: f64) -> Component {
    Component::from_expanded(name, standard_uncertainty, 1.0)
}

/// Close to a published number, which was rounded to its last digit: half of one more than that digit.
fn published(found: f64, expected: f64, last_digit: f64) {
    assert!((found - expected).abs() <= 0.5001 * last_digit, "{found} is not {expected}");
}

/// Close to what an independent implementation finds, relative.
fn recomputed(found: f64, expected: f64) {
    assert!((found / expected - 1.0).abs() < 1e-9, "{found} is not {expected}");
}

// GUM H.1 (end-gauge calibration), in nm. The inputs, 9.68194195397 nm with 25.447 degrees of freedom for the difference, and
// 31.6637674111 nm with 16.752 for the end gauge are those of GTC (MSL New Zealand), in its test `GuideExampleH1`; its
// documentation gives the result as 50 000 838(32). t_99(16) = 2.92: NIST TN 1297, table B.1.
#[test]
fn gum_h1_end_gauge() {
    let difference = [
        ("repeated observations", 5.8, 24.0),
        ("random effects", 3.9, 5.0),
        ("systematic effects", 6.7, 8.0),
    ];
    let difference =
        difference.map(|(name, u, degrees)| known(name, u).with_degrees_of_freedom(degrees)).to_vec();
    let combined = budget(difference.clone()).combine(0.99, 0.0).expect("sound");
    recomputed(combined.standard_uncertainty, 9.681_941_953_97);
    assert_eq!(combined.effective_degrees_of_freedom.to_bits(), 25f64.to_bits(), "25.447 cut to 25");

    // The sensitivities to what is not zero at the estimates: l_s θ = 5·10⁷ nm × −0.1 °C, and l_s α_s = 575 nm/°C.
    let rest = [
        known("length of the standard", 25.0).with_degrees_of_freedom(18.0),
        Component::rectangular("difference in expansion coefficients", 1e-6)
            .with_sensitivity(5e6)
            .with_degrees_of_freedom(50.0),
        Component::rectangular("difference in temperatures", 0.05)
            .with_sensitivity(-575.0)
            .with_degrees_of_freedom(2.0),
    ];
    let combined = budget([difference, rest.to_vec()].concat()).combine(0.99, 0.0).expect("sound");
    recomputed(combined.standard_uncertainty, 31.663_767_411_1);
    assert_eq!(combined.effective_degrees_of_freedom.to_bits(), 16f64.to_bits(), "16.752 cut to 16");
    published(combined.coverage_factor, 2.92, 0.01);
    // The factor by mpmath, as in the tests of `student`.
    recomputed(combined.expanded_uncertainty, 2.920_781_622_425_1 * 31.663_767_411_1);
}

/// Observations of GUM H.2, as the documentation of GTC has them: volts, milliamperes, radians.
const VOLTAGE: [f64; 5] = [5.007, 4.994, 5.005, 4.990, 4.999];
const CURRENT: [f64; 5] = [19.663, 19.639, 19.640, 19.685, 19.678];
const PHASE: [f64; 5] = [1.0456, 1.0438, 1.0468, 1.0428, 1.0433];

/// The budget of a result of H.2 with these sensitivities to voltage, current (mA) and phase.
fn simultaneous(sensitivities: [f64; 3]) -> Budget {
    let [voltage, current, phase] = sensitivities;
    let of = |name, readings: &[f64], sensitivity| {
        Component::type_a(name, readings).expect("five readings").with_sensitivity(sensitivity)
    };
    let correlated = |a, b, x: &[f64], y: &[f64]| Correlation::from_readings(a, b, x, y).expect("they move");
    Budget {
        components: vec![of("V", &VOLTAGE, voltage), of("I", &CURRENT, current), of("phi", &PHASE, phase)],
        correlations: vec![
            correlated(0, 1, &VOLTAGE, &CURRENT),
            correlated(0, 2, &VOLTAGE, &PHASE),
            correlated(1, 2, &CURRENT, &PHASE),
        ],
    }
}

// GUM H.2 (simultaneous resistance and reactance): uncertainties and correlations recomputed from the readings with GTC 1.5.1
// (`multi_estimate_real`). The Guide's own tables, not at hand here, are made of rounded means: GTC's documentation of them has
// 0.070, 0.30 and 0.24 ohm.
#[test]
fn gum_h2_resistance_reactance_impedance() {
    let (v, i, phi) = (4.9990, 19.6610e-3, 1.04446);
    let z: f64 = v / i;
    let (cos, sin) = (libm::cos(phi), libm::sin(phi));
    let per_milliampere = -1e-3 / i;
    for (sensitivities, uncertainty, value, expected) in [
        (
            [cos / i, z * cos * per_milliampere, -z * sin],
            0.071_071_407_396_995_4,
            z * cos,
            127.732_169_928_102,
        ),
        ([sin / i, z * sin * per_milliampere, z * cos], 0.295_581_677_358_644, z * sin, 219.846_511_912_638),
        ([1.0 / i, z * per_milliampere, 0.0], 0.236_336_130_082_378, z, 254.259_701_948_019),
    ] {
        let combined = simultaneous(sensitivities).combine(0.95, 0.0).expect("sound");
        recomputed(combined.standard_uncertainty, uncertainty);
        recomputed(value, expected);
        // Five observations of all three together: four degrees of freedom, as GTC has it; t_95(4) = 2.78 in NIST TN 1297.
        assert_eq!(combined.effective_degrees_of_freedom.to_bits(), 4f64.to_bits());
        published(combined.coverage_factor, 2.78, 0.01);
    }
    let budget = simultaneous([1.0; 3]);
    let expected = [0.003_209_361_307_176_18, 0.009_471_008_394_041_33, 0.000_752_063_827_078_537];
    for (component, expected) in budget.components.iter().zip(expected) {
        recomputed(component.standard_uncertainty, expected);
    }
    let expected = [-0.355_311_219_817_512, 0.857_624_210_839_962, -0.645_111_217_689_257];
    for (correlation, expected) in budget.correlations.iter().zip(expected) {
        recomputed(correlation.coefficient, expected);
    }
}

// GUM H.3 (calibration of a thermometer): the correction at 30 °C from a fitted line, whose intercept and slope are correlated.
// The fit itself is no budget; that of GTC 1.5.1 (`line_fit` of the eleven readings in its example GUM_H3) gives the components,
// and its correction −0.1494(41) with nine degrees of freedom is what must come out.
#[test]
fn gum_h3_thermometer() {
    let line = |slope_distance: f64| Budget {
        components: vec![
            known("intercept", 0.002_877_597_835_159_956).with_degrees_of_freedom(9.0),
            known("slope", 0.000_667_938_773_227_832_3)
                .with_sensitivity(slope_distance)
                .with_degrees_of_freedom(9.0),
        ],
        correlations: vec![Correlation { a: 0, b: 1, coefficient: -0.930_429_603_093_445_9 }],
    };
    let combined = line(30.0 - 20.0).combine(0.95, 0.0).expect("sound");
    recomputed(combined.standard_uncertainty, 0.004_138_595_752_854_951);
    published(combined.standard_uncertainty, 0.0041, 0.0001);
    assert_eq!(combined.effective_degrees_of_freedom.to_bits(), 9f64.to_bits(), "eleven readings less two");
}

// GUM H.5 (analysis of variance): means of ten days, μV above 10 V. Means, their mean 97 and deviation 57 as the tests of Suncal
// (Sandia) quote them of table H.9; more digits by numpy. Between days there is more variation than within, so the days' means
// are the readings.
#[test]
fn gum_h5_means_of_days() {
    let days = [172.0, 116.0, 13.0, 144.0, 106.0, 31.0, 60.0, 125.0, 163.0, 41.0];
    let component = Component::type_a("days", &days).expect("ten days");
    recomputed(component.standard_uncertainty, 18.053_285_327_361_09);
    published(component.standard_uncertainty * 10f64.sqrt(), 57.0, 1.0);
    assert_eq!(component.degrees_of_freedom.to_bits(), 9f64.to_bits());
    assert_eq!((component.evaluation, component.distribution), (Evaluation::A, Distribution::Student));
}

/// Cycles of GUM H.4, table H.7: minutes and counts in an hour of the standard, the blank, the sample. The table itself was not at
/// hand; that these are its numbers is shown by the published means, deviations and results that follow from them.
const CYCLES: [[f64; 6]; 6] = [
    [243.74, 15_380.0, 305.56, 4_054.0, 367.37, 41_432.0],
    [984.53, 14_978.0, 1_046.10, 3_922.0, 1_107.66, 38_706.0],
    [1_723.87, 14_394.0, 1_785.43, 4_200.0, 1_846.99, 35_860.0],
    [2_463.17, 13_254.0, 2_524.73, 3_830.0, 2_586.28, 32_238.0],
    [3_217.56, 12_516.0, 3_279.12, 3_956.0, 3_340.68, 29_640.0],
    [3_956.83, 11_058.0, 4_018.38, 3_980.0, 4_079.94, 26_356.0],
];

/// Rates of standard and sample at the reference time, counts a minute: less the blank, decay (1.258 94·10⁻⁴ /min) undone.
fn rates() -> ([f64; 6], [f64; 6]) {
    let rate = |counts: f64, blank: f64, time: f64| (counts - blank) / 60.0 * libm::exp(1.258_94e-4 * time);
    (CYCLES.map(|c| rate(c[1], c[3], c[0])), CYCLES.map(|c| rate(c[5], c[3], c[4])))
}

// GUM H.4 (activity): the ratio of correlated rates by both ways of the Guide, and the activity per mass with its relative
// uncertainty. Published: 652.60(6.42), 206.09(3.79), r = 0.646; R = 3.167(0.045) and 3.170(0.046); 0.4300(83) and 0.4304(84) Bq/g.
#[test]
fn gum_h4_activity() {
    let (standard, sample) = rates();
    let mean = |of: &[f64; 6]| of.iter().sum::<f64>() / 6.0;
    let of = |name, readings: &[f64], sensitivity| {
        Component::type_a(name, readings).expect("six cycles").with_sensitivity(sensitivity)
    };
    let (mean_x, mean_s) = (mean(&sample), mean(&standard));
    let ratio = mean_x / mean_s;
    published(mean_x, 652.60, 0.01);
    published(mean_s, 206.09, 0.01);
    published(ratio, 3.167, 0.001);
    let budget = Budget {
        components: vec![of("R_x", &sample, 1.0 / mean_s), of("R_S", &standard, -ratio / mean_s)],
        correlations: vec![Correlation::from_readings(0, 1, &sample, &standard).expect("they move")],
    };
    published(budget.components[0].standard_uncertainty, 6.42, 0.01);
    published(budget.components[1].standard_uncertainty, 3.79, 0.01);
    published(budget.correlations[0].coefficient, 0.646, 0.001);
    let combined = budget.combine(0.95, 0.0).expect("sound");
    published(combined.standard_uncertainty, 0.045, 0.001);

    let quotients: Vec<f64> = sample.iter().zip(&standard).map(|(x, s)| x / s).collect();
    let mean_quotient = quotients.iter().sum::<f64>() / 6.0;
    let quotient = of("R", &quotients, 1.0);
    published(mean_quotient, 3.170, 0.001);
    published(quotient.standard_uncertainty, 0.046, 0.001);

    // Activity of the standard 0.1368(18) Bq/g, masses 5.0192(50) and 5.0571(10) g; the background of the masses is neglected.
    let per_ratio = 0.1368 * 5.0192 / 5.0571;
    // The Guide goes on with the ratios that it prints.
    for (ratio, uncertainty, activity, of_activity) in [
        (3.167, combined.standard_uncertainty, 0.4300, 0.0083),
        (3.170, quotient.standard_uncertainty, 0.4304, 0.0084),
    ] {
        let value: f64 = per_ratio * ratio;
        published(value, activity, 0.0001);
        let relative = [
            ("A_S", 0.0018 / 0.1368),
            ("m_S", 0.005 / 5.0192),
            ("m_x", 0.001 / 5.0571),
            ("R", uncertainty / ratio),
        ];
        let components = relative.map(|(name, u)| known(name, u).with_sensitivity(value));
        let combined = self::budget(components.to_vec()).combine(0.95, 0.0).expect("sound");
        published(combined.standard_uncertainty, of_activity, 0.0001);
    }
}

// GUM H.6 (hardness, Rockwell scale units): the three contributions that the Guide calls considerable, 0.5 of the national standard,
// 0.20 of five repeated indentations and 0.11 of the block's unevenness, come to its 0.55; those of resolution are of the third digit.
#[test]
fn gum_h6_hardness() {
    let contributions =
        [("national standard", 0.5), ("repeatability", 0.20), ("unevenness of the block", 0.11)];
    let combined =
        budget(contributions.map(|(name, u)| known(name, u)).to_vec()).combine(0.95, 2.0).expect("sound");
    published(combined.standard_uncertainty, 0.55, 0.01);
    // One unit is 0.002 mm: 0.0011 mm.
    published(0.002 * combined.standard_uncertainty, 0.0011, 0.0001);
}

// The situation of the example in GUM 5.2.2: ten resistors calibrated against one standard, u = 0.1 Ω each. By formula: n u where
// r = 1, and √n u = 0.316 Ω where they were independent.
#[test]
fn gum_5_2_2_ten_resistors_of_one_origin() {
    let mut resistors = budget((0..10).map(|n| known(&format!("R{n}"), 0.1)).collect());
    published(resistors.combine(0.95, 2.0).expect("sound").standard_uncertainty, 0.32, 0.01);
    for b in 0..10 {
        resistors.correlations.extend((0..b).map(|a| Correlation { a, b, coefficient: 1.0 }));
    }
    let combined = resistors.combine(0.95, 2.0).expect("sound");
    assert!((combined.standard_uncertainty - 1.0).abs() < 1e-12);
    assert!((combined.expanded_uncertainty - 2.0).abs() < 1e-12);
}

// By their formulas: a/√3, a/√6, a/√2, U/k (GUM 4.3; JCGM 101 6.4).
#[test]
fn limits_become_standard_uncertainties() {
    let check = |component: Component, expected: f64| {
        assert!((component.standard_uncertainty - expected).abs() < 1e-15, "{component:?}");
        assert_eq!(component.evaluation, Evaluation::B);
        assert!(component.degrees_of_freedom.is_infinite());
    };
    check(Component::rectangular("x", 3f64.sqrt()), 1.0);
    check(Component::triangular("x", 6f64.sqrt()), 1.0);
    check(Component::u_shaped("x", 2f64.sqrt()), 1.0);
    check(Component::from_expanded("x", 0.05, 2.0), 0.025);
    assert!(
        (Component::rectangular("x", 3.0).with_sensitivity(-2.0).contribution() + 2.0 * 3f64.sqrt()).abs()
            < 1e-14
    );
}

// The situation of the example in GUM G.4.1: a product of three inputs with relative uncertainties of 0.25, 0.57 and 0.82 % from
// 10, 5 and 15 readings. By mpmath: u_c = 1.029466 %, ν_eff = 18.99874, of which the whole part is 18; t_95(18) = 2.10 in NIST TN
// 1297, so U = 2.2 %.
#[test]
fn gum_g_4_1_example() {
    let combined = budget(vec![
        known("X_1", 0.25).with_degrees_of_freedom(9.0),
        known("X_2", 0.57).with_degrees_of_freedom(4.0),
        known("X_3", 0.82).with_degrees_of_freedom(14.0),
    ]);
    let combined = combined.combine(0.95, 0.0).expect("sound");
    published(combined.standard_uncertainty, 1.03, 0.01);
    assert_eq!(combined.effective_degrees_of_freedom.to_bits(), 18f64.to_bits());
    published(combined.coverage_factor, 2.10, 0.01);
    published(combined.expanded_uncertainty, 2.2, 0.1);
}

#[test]
fn a_whole_number_of_degrees_of_freedom_is_not_cut() {
    for degrees in 1..400 {
        for standard_uncertainty in [0.001, 0.1, 0.37, 1.0, 1e7 / 3.0] {
            let one = known("one", standard_uncertainty).with_degrees_of_freedom(f64::from(degrees));
            let combined = budget(vec![one, known("nothing", 0.0)]).combine(0.95, 0.0).expect("sound");
            assert_eq!(combined.effective_degrees_of_freedom.to_bits(), f64::from(degrees).to_bits());
        }
    }
}

#[test]
fn the_least_coverage_factor_counts_only_from_below() {
    let components = vec![known("few readings", 1.0).with_degrees_of_freedom(3.0)];
    let combined = budget(components).combine(0.95, 2.0).expect("sound");
    published(combined.coverage_factor, 3.18, 0.01);
    let combined = budget(vec![known("certificate", 1.0)]).combine(0.95, 2.0).expect("sound");
    assert_eq!(combined.coverage_factor.to_bits(), 2f64.to_bits());
    let combined = budget(vec![known("certificate", 1.0)]).combine(0.95, 0.0).expect("sound");
    published(combined.coverage_factor, 1.960, 0.001);
}

#[test]
fn without_any_uncertainty_there_is_none_and_no_division_by_it() {
    let combined =
        budget(vec![known("exact", 0.0).with_degrees_of_freedom(2.0)]).combine(0.95, 2.0).expect("sound");
    assert_eq!((combined.standard_uncertainty, combined.expanded_uncertainty), (0.0, 0.0));
    assert!(combined.effective_degrees_of_freedom.is_infinite());
    let mut cancelling = budget(vec![known("a", 0.1), known("b", 0.1).with_sensitivity(-1.0)]);
    cancelling.correlations.push(Correlation { a: 0, b: 1, coefficient: 1.0 });
    assert!(cancelling.combine(0.95, 2.0).expect("sound").standard_uncertainty < 1e-8);
}

#[test]
fn a_correlated_group_has_the_degrees_of_freedom_of_its_least_member() {
    let mut budget = budget(vec![
        known("a", 1.0).with_degrees_of_freedom(5.0),
        known("b", 1.0).with_degrees_of_freedom(50.0),
        known("c", 0.0).with_degrees_of_freedom(1.0),
    ]);
    budget.correlations =
        vec![Correlation { a: 0, b: 1, coefficient: 0.5 }, Correlation { a: 1, b: 2, coefficient: 0.5 }];
    let combined = budget.combine(0.95, 0.0).expect("sound");
    assert_eq!(combined.effective_degrees_of_freedom.to_bits(), 5f64.to_bits());
    assert!((combined.standard_uncertainty - 3f64.sqrt()).abs() < 1e-15);
}

#[test]
fn what_cannot_be_is_refused_by_name() {
    let sound = || budget(vec![known("a", 1.0), known("b", 1.0), known("c", 1.0)]);
    let refused = |budget: &Budget| budget.combine(0.95, 2.0).expect_err("refused").to_string();
    assert_eq!(refused(&Budget::default()), "the budget has no component");
    for (component, what) in [
        (known("x", f64::NAN), "its standard uncertainty is not finite"),
        (Component::from_expanded("x", 1.0, 0.0), "its standard uncertainty is not finite"),
        (known("x", -1.0), "its standard uncertainty is negative"),
        (known("x", 1.0).with_sensitivity(f64::INFINITY), "its sensitivity is not finite"),
        (known("x", 1.0).with_degrees_of_freedom(0.0), "its degrees of freedom are not above zero"),
        (known("x", 1.0).with_degrees_of_freedom(f64::NAN), "its degrees of freedom are not above zero"),
    ] {
        let mut budget = sound();
        budget.components[1] = component;
        assert_eq!(refused(&budget), format!("component 1 (x): {what}"));
    }
    for (a, b, coefficient, what) in [
        (0, 3, 0.5, "it names a component that is not there"),
        (1, 1, 0.5, "a component is not correlated with itself"),
        (0, 1, 1.1, "its coefficient is not between -1 and 1"),
        (0, 1, f64::NAN, "its coefficient is not between -1 and 1"),
        (2, 0, 0.1, "its pair was there before"),
    ] {
        let mut budget = sound();
        budget.correlations =
            vec![Correlation { a: 0, b: 2, coefficient: 0.1 }, Correlation { a, b, coefficient }];
        assert_eq!(refused(&budget), format!("correlation 1: {what}"));
    }
    let too_many = budget(vec![known("x", 1.0); COMPONENTS_MAX + 1]);
    assert_eq!(refused(&too_many), "257 components, more than 256");
    assert_eq!(
        refused(&budget(vec![known("x", 1e300)])),
        "the combined uncertainty is too large for a number"
    );
    assert_eq!(sound().combine(1.0, 2.0), Err(BudgetError::Probability(1.0)));
    assert!(sound().combine(f64::NAN, 2.0).is_err());
    assert_eq!(sound().combine(0.95, -1.0), Err(BudgetError::CoverageFactor(-1.0)));
    assert!(Component::type_a("x", &[1.0]).is_none());
    assert!(Component::type_a("x", &[1.0, f64::NAN]).is_none());
    assert!(Correlation::from_readings(0, 1, &[1.0, 2.0], &[1.0]).is_none());
    assert!(Correlation::from_readings(0, 1, &[1.0, 2.0], &[3.0, 3.0]).is_none());
}

// Three quantities cannot each be opposed to the two others: det = 1 + 2r³ − 3r² < 0 below r = −1/2.
#[test]
fn correlations_that_contradict_each_other_are_refused() {
    for (coefficient, is_possible) in [(-0.5, true), (-0.51, false), (-1.0, false), (1.0, true), (0.3, true)]
    {
        let mut budget = budget(vec![known("a", 1.0), known("b", 1.0), known("c", 1.0)]);
        for (a, b) in [(0, 1), (0, 2), (1, 2)] {
            budget.correlations.push(Correlation { a, b, coefficient });
        }
        let combined = budget.combine(0.95, 2.0);
        assert_eq!(combined.is_ok(), is_possible, "{coefficient}: {combined:?}");
        if !is_possible {
            assert_eq!(combined, Err(BudgetError::NotSemidefinite));
        }
    }
    let mut budget = budget(vec![known("a", 1.0), known("b", 1.0), known("c", 1.0)]);
    budget.correlations =
        vec![Correlation { a: 0, b: 1, coefficient: 1.0 }, Correlation { a: 0, b: 2, coefficient: 0.5 }];
    assert_eq!(
        budget.combine(0.95, 2.0),
        Err(BudgetError::NotSemidefinite),
        "a is b, so c must be as near to it"
    );
}

#[test]
fn infinite_degrees_of_freedom_are_written_as_nothing_and_read_back() {
    let budget = budget(vec![known("a", 1.0), known("b", 1.0).with_degrees_of_freedom(3.0)]);
    let text = toml::to_string(&budget).expect("writable");
    assert_eq!(text.matches("degrees_of_freedom").count(), 1, "{text}");
    assert_eq!(toml::from_str::<Budget>(&text).expect("readable"), budget);
    assert!(toml::from_str::<Budget>(&text.replace("sensitivity", "sensitivty")).is_err());
}
