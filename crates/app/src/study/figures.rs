//! The study's charts: what each shows, and with which words in both languages.
//!
//! Called by [`super::page`]. They show observations; nothing is computed here that a file does not hold.

use veripile_metrology::normal;

use super::chart::{Chart, Ink};
use super::files::by_week;
use super::measures::{Study, interval};
use super::run::SeedSeen;
use super::weeks::WeekSeen;

/// A chart with its words.
pub(super) struct Figure {
    /// Name of its file.
    pub(super) file: &'static str,
    /// Caption in both languages.
    pub(super) zh: &'static str,
    pub(super) en: &'static str,
    /// The drawing.
    pub(super) svg: String,
}

/// Names of all charts' files.
pub(super) const FILES: [&str; 7] = [
    "errors.svg",
    "calibration.svg",
    "detection.svg",
    "delays.svg",
    "weeks.svg",
    "anchors.svg",
    "concordance.svg",
];

/// Top of the chart of weeks, percent: in the first ones little is known, and the rest is what matters.
const WEEKS_TOP_PERCENT: f64 = 0.6;

/// Width of a class of E_n.
const CLASS: f64 = 0.25;

/// Every chart for which there is something to show.
pub(super) fn figures(study: &Study, seeds: &[SeedSeen]) -> Vec<Figure> {
    let charts = [
        errors(seeds),
        calibration(study, seeds),
        detection(study),
        delays(study),
        weeks(seeds),
        anchors(seeds),
        concordance(seeds),
    ];
    charts.into_iter().flatten().collect()
}

/// Half-width of an axis for percentages of error.
fn reach(values: impl Iterator<Item = f64>) -> f64 {
    let largest = values.map(f64::abs).filter(|value| value.is_finite()).fold(0.5, f64::max);
    1.1 * largest
}

fn errors(seeds: &[SeedSeen]) -> Option<Figure> {
    let piles = || seeds.iter().flat_map(|seed| &seed.piles).filter(|pile| pile.is_constant && pile.grounded);
    let shown = piles().filter_map(|pile| Some((100.0 * pile.truth, 100.0 * pile.error?)));
    let shown: Vec<(f64, f64)> = shown.filter(|(_, error)| error.is_finite()).collect();
    let reach = reach(shown.iter().flat_map(|(truth, error)| [*truth, *error]));
    let range = (-reach, reach);
    let mut chart = Chart::new(range, range, ("真误差 true error / %", "远程估计 estimate / %"));
    chart.line(&[(-reach, -reach), (reach, reach)], Ink::Grey, 1.0, true);
    for place in &shown {
        chart.dot(*place, 2.4, Ink::Good);
    }
    (!shown.is_empty()).then(|| Figure {
        file: "errors.svg",
        zh: "远程估计与真误差，每点一桩",
        en: "estimate against true error, a dot a pile",
        svg: chart.svg("远程估计与真误差 / estimate against true error"),
    })
}

fn calibration(study: &Study, seeds: &[SeedSeen]) -> Option<Figure> {
    let mut chart = Chart::new((0.0, 1.0), (0.0, 1.0), ("标称 nominal", "实际 observed"));
    chart.line(&[(0.0, 0.0), (1.0, 1.0)], Ink::Grey, 1.0, true);
    chart.line(&study.calibration, Ink::Good, 1.2, false);
    for place in &study.calibration {
        chart.dot(*place, 2.6, Ink::Good);
    }
    let is_known = seeds.iter().flat_map(|seed| &seed.piles).any(|pile| pile.grounded);
    is_known.then(|| Figure {
        file: "calibration.svg",
        zh: "区间覆盖率：声明与实际",
        en: "coverage of intervals: stated and observed",
        svg: chart.svg("区间覆盖率 / coverage of intervals"),
    })
}

fn detection(study: &Study) -> Option<Figure> {
    let constant: Vec<_> = study.detections.iter().filter(|d| d.kind == "constant").collect();
    let largest = constant.iter().map(|d| d.size.abs() / d.limit_percent).fold(2.0, f64::max);
    let labels = ("误差 / 最大允许误差 error / MPE", "发现率 share found");
    let mut chart = Chart::new((0.0, 1.1 * largest), (0.0, 1.0), labels);
    for d in &constant {
        let x = d.size.abs() / d.limit_percent;
        let (low, high) = interval(d.found, d.piles);
        chart.line(&[(x, low), (x, high)], Ink::Grey, 1.0, false);
        chart.dot((x, d.found as f64 / d.piles as f64), 3.6, Ink::Good);
        if 0 < d.windows {
            chart.diamond((x, f64::from(d.windows_found) / f64::from(d.windows)), 4.0, Ink::Open);
        }
    }
    (!constant.is_empty()).then(|| Figure {
        file: "detection.svg",
        zh: "恒定误差的发现率：● 全期（含 95 % 区间） ◆ 四周窗口",
        en: "constant errors found: ● from all days, with 95 % interval ◆ in windows of four weeks",
        svg: chart.svg("恒定误差的发现率 / constant errors found"),
    })
}

fn delays(study: &Study) -> Option<Figure> {
    let found = |size: f64| {
        let of_size = study.steps.iter().filter(move |step| step.size_percent.abs().total_cmp(&size).is_eq());
        let mut delays: Vec<f64> = of_size.filter_map(|step| step.delay_days).map(f64::from).collect();
        delays.sort_unstable_by(f64::total_cmp);
        delays
    };
    let last = study.step_sizes.iter().flat_map(|size| found(size.size_percent)).fold(28.0, f64::max);
    let labels = ("阶跃后天数 days after the step", "已发现 share found");
    let mut chart = Chart::new((0.0, last), (0.0, 1.0), labels);
    let largest = study.step_sizes.last().map_or(1.0, |size| size.size_percent);
    for size in &study.step_sizes {
        let all = size.steps as f64;
        let mut stairs = vec![(0.0, 0.0)];
        for (count, delay) in (0..).map(f64::from).zip(found(size.size_percent)) {
            stairs.extend([(delay, count / all), (delay, (count + 1.0) / all)]);
        }
        stairs.push((last, size.found as f64 / all));
        // The larger the step, the thicker its line.
        chart.line(&stairs, Ink::Good, 0.8 + 1.6 * size.size_percent / largest, false);
    }
    chart.line(&[(21.0, 0.0), (21.0, 1.0)], Ink::Open, 1.0, true);
    (!study.steps.is_empty()).then(|| Figure {
        file: "delays.svg",
        zh: "阶跃误差的发现延迟：线越粗，阶跃越大（虚线：三周）",
        en: "delay until steps are found: the thicker the line, the larger the step (dashed: three weeks)",
        svg: chart.svg("阶跃误差的发现延迟 / delay until steps are found"),
    })
}

fn weeks(seeds: &[SeedSeen]) -> Option<Figure> {
    let weeks = by_week(seeds);
    let of = |pick: &dyn Fn(&WeekSeen) -> Option<f64>| -> Vec<(f64, f64)> {
        weeks.iter().filter_map(|week| Some((f64::from(week.end_day) / 7.0, pick(week)?))).collect()
    };
    let filtered = of(&|week| Some(week.filtered.percent()?.0));
    let stated = of(&|week| Some(week.filtered.percent()?.1));
    let smoothed = of(&|week| Some(week.smoothed.percent()?.0));
    let smoothed_stated = of(&|week| Some(week.smoothed.percent()?.1));
    let largest = filtered.iter().chain(&stated).map(|(_, value)| *value).fold(0.1, f64::max);
    let last = filtered.last().map_or(1.0, |(week, _)| *week);
    let labels = ("周 week", "均方根误差 RMSE / %");
    let mut chart = Chart::new((0.0, last), (0.0, 1.1 * largest.min(WEEKS_TOP_PERCENT)), labels);
    chart.line(&stated, Ink::Good, 1.0, true);
    chart.line(&smoothed_stated, Ink::Open, 1.0, true);
    chart.line(&filtered, Ink::Good, 2.0, false);
    chart.line(&smoothed, Ink::Open, 1.2, false);
    (!filtered.is_empty()).then(|| Figure {
        file: "weeks.svg",
        zh: "按周的误差：粗线 滤波（当时所知），细线 平滑（事后所知）；虚线 各自声明的不确定度",
        en: "errors by week: thick, the filter (as known then); thin, the smoother (as known since); dashed, what each states",
        svg: chart.svg("按周的误差 / errors by week"),
    })
}

fn anchors(seeds: &[SeedSeen]) -> Option<Figure> {
    let values: Vec<f64> = seeds.iter().flat_map(|seed| &seed.anchors).map(|a| a.normalized_error).collect();
    let classes: Vec<f64> = (-8..8).map(|at| f64::from(at) * CLASS).collect();
    let count = |low: f64| {
        let is_first = low <= -2.0;
        let is_last = 2.0 - CLASS <= low;
        let holds = |v: &&f64| (is_first || low <= **v) && (is_last || **v < low + CLASS);
        values.iter().filter(holds).count() as f64
    };
    let highest = classes.iter().map(|low| count(*low)).fold(1.0, f64::max);
    let mut chart = Chart::new((-2.0, 2.0), (0.0, 1.15 * highest), ("E_n", "基准数 anchors"));
    for low in &classes {
        chart.bar((*low, low + CLASS), count(*low), Ink::Good);
    }
    let expected = |x: f64| values.len() as f64 * CLASS * 2.0 * normal::density(2.0 * x);
    let curve: Vec<(f64, f64)> =
        (-40..=40).map(|at| f64::from(at) / 20.0).map(|x| (x, expected(x))).collect();
    chart.line(&curve, Ink::Black, 1.2, true);
    (!values.is_empty()).then(|| Figure {
        file: "anchors.svg",
        zh: "留一基准的 E_n（虚线：不确定度属实时的期望）",
        en: "E_n of anchors left out (dashed: expected if uncertainties are true)",
        svg: chart.svg("留一基准的 E_n / E_n of anchors left out"),
    })
}

fn concordance(seeds: &[SeedSeen]) -> Option<Figure> {
    let pairs: Vec<_> = seeds
        .iter()
        .flat_map(|seed| seed.pairs.iter().map(move |pair| (pair, seed.piles[pair.pile].is_constant)))
        .filter_map(|(pair, is_constant)| Some((pair.on_site, pair.remote?, is_constant)))
        .filter(|(_, (remote, expanded), _)| remote.is_finite() && expanded.is_finite())
        .collect();
    let reach = reach(pairs.iter().flat_map(|(on_site, remote, _)| [on_site.0, remote.0]));
    let range = (-reach, reach);
    let mut chart = Chart::new(range, range, ("现场 on site / %", "远程 remote / %"));
    chart.line(&[(-reach, -reach), (reach, reach)], Ink::Grey, 1.0, true);
    for ((on_site, _), (remote, expanded), is_constant) in &pairs {
        chart.line(&[(*on_site, remote - expanded), (*on_site, remote + expanded)], Ink::Grey, 0.8, false);
        if *is_constant {
            chart.dot((*on_site, *remote), 3.0, Ink::Good);
        } else {
            chart.diamond((*on_site, *remote), 4.0, Ink::Bad);
        }
    }
    (!pairs.is_empty()).then(|| Figure {
        file: "concordance.svg",
        zh: "远程与现场的一致性（竖线 U，k = 2；◆ 误差中途改变的桩）",
        en: "remote against on-site (bars U, k = 2; ◆ piles whose error changed on the way)",
        svg: chart.svg("远程与现场 / remote against on-site"),
    })
}
