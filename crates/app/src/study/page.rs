//! The study as one page that needs nothing else: Chinese first, English beside it.
//!
//! Called by [`super`].

use veripile_simulator::world::{Layout, Noise, WorldSettings};

use super::chart::escape;
use super::cost;
use super::evidence::USED;
use super::figures::Figure;
use super::files::{COVERAGE_FACTOR, codes, error_words, goal, needed, rate, settings_facts, shown, unit};
use super::goal::Reached;
use super::measures::{Lacking, Measure, Study, world_name};
use super::run::SeedSeen;
use super::tables::VERDICTS;

const STYLE: &str = "
:root{color-scheme:light}
body{font:15px/1.5 system-ui,'Noto Sans CJK SC','Noto Sans SC','PingFang SC','Microsoft YaHei',sans-serif;color:#1c1f23;
background:#fff;max-width:62rem;margin:0 auto;padding:1rem}
h1{font-size:1.5rem;margin:.2rem 0}h2{font-size:1.15rem;margin:1.6rem 0 .4rem}
.en{color:#575e66}p{margin:.4rem 0}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .6rem .25rem 0;border-bottom:1px solid #c9ced4;text-align:left;vertical-align:top}
td:first-child,th:first-child{min-width:9rem}td.n,th.n{text-align:right;white-space:nowrap}
.good{color:#1a7f37;font-weight:600}.open{color:#b06a00;font-weight:600}.bad{color:#c61f2b;font-weight:600}
.scroll{overflow-x:auto}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(20rem,1fr));gap:1.2rem}
figure{margin:0}svg{width:100%;height:auto}figcaption{font-size:.9rem}
@media print{.charts{grid-template-columns:1fr 1fr}}
";

/// The page.
pub(super) fn page(
    settings: &WorldSettings,
    study: &Study,
    seeds: &[SeedSeen],
    costs: &[cost::Step],
    figures: &[Figure],
) -> String {
    let name = escape(&world_name(settings));
    let mut page = format!(
        "<!doctype html>\n<html lang=\"zh-CN\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<title>研究 {name} · veripile</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n"
    );
    page.push_str(&introduction(settings, study, seeds));
    page.push_str(&measures(&study.measures, seeds.len()));
    page.push_str(&heading("图", "Charts"));
    page.push_str("<div class=\"charts\">\n");
    for figure in figures {
        let caption = format!("{} <span class=\"en\" lang=\"en\">{}</span>", figure.zh, figure.en);
        page.push_str(&format!("<figure>\n{}<figcaption>{caption}</figcaption>\n</figure>\n", figure.svg));
    }
    page.push_str("</div>\n");
    page.push_str(&detections(study));
    page.push_str(&steps(study));
    page.push_str(&signals(study));
    page.push_str(&concordance(study));
    page.push_str(&cost_table(costs));
    page.push_str(&made_of(settings, seeds));
    page.push_str("</body>\n</html>\n");
    page
}

fn heading(zh: &str, en: &str) -> String {
    format!("<h2>{zh} <span class=\"en\" lang=\"en\">{en}</span></h2>\n")
}

fn paragraph(zh: &str, en: &str) -> String {
    format!("<p>{zh}<br><span class=\"en\" lang=\"en\">{en}</span></p>\n")
}

fn introduction(settings: &WorldSettings, study: &Study, seeds: &[SeedSeen]) -> String {
    let (zh, en) = match &settings.layout {
        Layout::Reference => ("参考世界", "reference world"),
        Layout::Anhui => ("类安徽试点世界", "a world like Anhui's trial"),
        Layout::Graph(_) => ("真实充电关系图，注入误差", "the graph of real charges, errors injected"),
    };
    let count = |wanted: Reached| study.measures.iter().filter(|m| m.reached == Some(wanted)).count();
    let [yes, open, no] = [Reached::Yes, Reached::Open, Reached::No].map(count);
    let charges: usize = seeds.iter().map(|seed| seed.charges).sum();
    let piles = seeds.first().map_or(0, |seed| seed.piles.len());
    let (seeds, noise) = (seeds.len(), settings.noise.word());
    let mut text = format!(
        "<h1>远程评估研究：{zh} <span class=\"en\" lang=\"en\">Study of remote assessment: {en}</span></h1>\n"
    );
    text.push_str(&paragraph(
        &format!("真误差已知的模拟世界：{piles} 桩 × {seeds} 个种子，{charges} 次比对充电，噪声 {noise}。目标：达到 {yes} 项，未定 {open} 项，未达 {no} 项。"),
        &format!(
            "Simulated worlds with known true errors: {piles} piles × {seeds} seeds, {charges} compared charges, noise {noise}. \
             Goals: {yes} reached, {open} open, {no} not reached."
        ),
    ));
    text.push_str(&paragraph(
        "误差为正：充电桩多计，用户吃亏。远程估计是证据，不是检定。",
        "Positive errors: the pile over-registers, the customer loses. A remote estimate is evidence, not a verification.",
    ));
    text
}

fn measures(measures: &[Measure], seeds: usize) -> String {
    let mut text = heading("指标", "Measures");
    text.push_str(
        "<div class=\"scroll\"><table>\n<tr><th>指标 <span class=\"en\">measure</span></th><th class=\"n\">值 <span class=\"en\">value</span></th>\
         <th class=\"n\">95 % 区间 <span class=\"en\">interval</span></th><th class=\"n\">n</th><th class=\"n\">目标 <span class=\"en\">goal</span></th><th></th></tr>\n",
    );
    // What was not observed has no row; summary.csv names it.
    for measure in measures.iter().filter(|measure| measure.is_shown()) {
        let value = match (measure.value, measure.lacking.map(Lacking::words)) {
            (Some(value), _) => shown(measure, value),
            (None, Some((_, zh, en))) => format!("{zh}<br><span class=\"en\" lang=\"en\">{en}</span>"),
            (None, None) => "–".to_owned(),
        };
        let range = |(low, high)| format!("{} … {}", shown(measure, low), shown(measure, high));
        let interval = measure.interval.filter(|_| measure.value.is_some()).map_or(String::new(), range);
        let mark = match measure.reached {
            Some(Reached::Yes) => "<span class=\"good\">✓ 达到 reached</span>",
            Some(Reached::Open) => "<span class=\"open\">○ 未定 open</span>",
            Some(Reached::No) => "<span class=\"bad\">✗ 未达 not reached</span>",
            None => "",
        };
        let needed = needed(measure, seeds).map_or(String::new(), |needed| format!("<br>{needed}"));
        text.push_str(&format!(
            "<tr><td>{}<br><span class=\"en\" lang=\"en\">{}</span></td><td class=\"n\">{value}</td><td class=\"n\">{interval}</td>\
             <td class=\"n\">{}</td><td class=\"n\">{}</td><td>{mark}{needed}</td></tr>\n",
            measure.zh,
            measure.en,
            measure.observations,
            goal(measure)
        ));
    }
    text.push_str("</table></div>\n");
    text.push_str(&paragraph(
        &format!("区间按互相独立的观测计算；同一世界的桩共用基准，实际略宽。“达到”：整个区间在目标之内；“未达”：整个区间在目标之外；“未定”：区间跨越目标的边界，需更多种子（n 为数值不变时约需的观测数）。没有区间的按数值判定。E_n 的均值：单个目标 ±1/√n 已是正确结果 95 % 所在的范围，故按数值判定；同一世界的桩共用基准，在范围之外而区间触及者为“未定”。覆盖率用 ±{COVERAGE_FACTOR:.2} u。误差与界按十次充电及以上的桩比较。“合格桩”：真误差不超过限值的 80 %。"),
        &format!(
            "Intervals take observations as independent; piles of one world share anchors, so true ones are a little wider. Reached: the whole interval lies within the goal; not reached: outside; open: on both sides, more seeds would tell (n: about how many observations, if the number stays what it is). What has no interval is judged by its number. \
             The mean of E_n, too: its goal ±1/√n already is where 95 % of right ones lie; as piles of a world share anchors, one beyond it whose interval reaches it is open. Coverage \
             is that of ±{COVERAGE_FACTOR:.2} u. Error and bound are compared for piles of ten charges or more. Good piles: true error up to 80 % of the limit."
        ),
    ));
    text
}

fn detections(study: &Study) -> String {
    if study.detections.is_empty() {
        return String::new();
    }
    let mut text = heading("注入误差的发现", "Injected errors found");
    text.push_str(
        "<div class=\"scroll\"><table>\n<tr><th>误差 <span class=\"en\">error</span></th><th class=\"n\">限值 <span class=\"en\">limit</span></th>\
         <th class=\"n\">桩 <span class=\"en\">piles</span></th><th class=\"n\">全期限外 <span class=\"en\">nonconform, all days</span></th>\
         <th class=\"n\">四周窗口限外 <span class=\"en\">windows</span></th></tr>\n",
    );
    for d in &study.detections {
        let unit = unit(d.kind);
        text.push_str(&format!(
            "<tr><td>{} {} {unit}</td><td class=\"n\">{} %</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
             <td class=\"n\">{} / {}</td></tr>\n",
            d.kind, d.size, d.limit_percent, d.piles, d.found, d.windows_found, d.windows
        ));
    }
    text.push_str("</table></div>\n");
    text
}

fn steps(study: &Study) -> String {
    if study.step_sizes.is_empty() {
        return String::new();
    }
    let mut text = heading("阶跃的发现", "Steps found");
    text.push_str(
        "<div class=\"scroll\"><table>\n<tr><th>阶跃 <span class=\"en\">step</span></th><th class=\"n\">桩 <span class=\"en\">piles</span></th>\
         <th class=\"n\">发现 <span class=\"en\">found</span></th><th class=\"n\">四周内 <span class=\"en\">in four weeks</span></th>\
         <th class=\"n\">延迟中位数 <span class=\"en\">median delay</span></th><th class=\"n\">九成 <span class=\"en\">nine in ten</span></th></tr>\n",
    );
    let days = |delay: Option<f64>| delay.map_or("–".to_owned(), |days| format!("{days:.0} d"));
    for size in &study.step_sizes {
        text.push_str(&format!(
            "<tr><td>± {} %</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
             <td class=\"n\">{}</td></tr>\n",
            size.size_percent,
            size.steps,
            size.found,
            size.found_in_month,
            days(size.delay_median),
            days(size.delay_ninth)
        ));
    }
    text.push_str("</table></div>\n");
    text.push_str(&paragraph(
        "阶跃由运行平台所用的周滤波发现：累积和（CUSUM）报警，似然比（GLR）确认并给出大小与日期；开放周每天重算，延迟算到发现那天的日终。steps.csv 列出每个阶跃，alarms.csv 列出每次报警（含误报）。",
        "Steps are found by the weekly filter that the running platform uses: cumulative sums (CUSUM) alarm, the likelihood ratio (GLR) confirms \
         and gives size and date. The open week is taken in anew each day; delays end with the day of the finding. steps.csv has every step, alarms.csv every alarm, false ones included.",
    ));
    text
}

fn signals(study: &Study) -> String {
    let mut text = heading("信号", "Signals");
    if !study.signals.found.is_empty() {
        text.push_str(
            "<div class=\"scroll\"><table>\n<tr><th>误差 <span class=\"en\">error</span></th><th class=\"n\">限值 <span class=\"en\">limit</span></th>\
             <th class=\"n\">桩 <span class=\"en\">piles</span></th><th class=\"n\">限外 <span class=\"en\">nonconform</span></th>\
             <th class=\"n\">有信号 <span class=\"en\">with a signal</span></th><th class=\"n\">任一 <span class=\"en\">either</span></th>\
             <th>信号 <span class=\"en\">codes</span></th></tr>\n",
        );
        for found in &study.signals.found {
            text.push_str(&format!(
                "<tr><td>{}</td><td class=\"n\">{} %</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
                 <td class=\"n\">{}</td><td>{}</td></tr>\n",
                error_words(found),
                found.limit_percent,
                found.piles,
                found.by_verdict,
                found.by_signal,
                found.by_either,
                codes(found)
            ));
        }
        text.push_str("</table></div>\n");
    }
    text.push_str(&false_signals(study));
    let others = study.signals.of_others;
    text.push_str(&paragraph(
        &format!("信号与运行平台、assess 所用的相同（同一设置，Holm 与 Benjamini–Hochberg 校正），期末按全期充电查找一次；信号是查看的理由，不是结论。同一桩可有多个信号，也可有与注入误差无关的信号。误报率随被注入的桩数略增，按时间折算到 182 天。针对站或经营者的信号 {others} 条。每条见 signals.csv。"),
        &format!(
            "Signals are those of the running platform and of assess (the same settings, Holm's and Benjamini and Hochberg's corrections), looked for once, at the end, in the charges \
             of all days. A signal is a reason to look, no conclusion. A pile may have several, and one that has nothing to do with its error. There are a few more false ones the more piles have errors; shares are \
             converted to 182 days by time. Signals of stations or operators: {others}. signals.csv has every one."
        ),
    ));
    text
}

/// Signals at piles without an injected error.
fn false_signals(study: &Study) -> String {
    if study.signals.at_clean.is_empty() {
        return String::new();
    }
    let mut text = "<div class=\"scroll\"><table>\n<tr><th>误报信号 <span class=\"en\">false signals</span></th>\
         <th class=\"n\">无误差桩 <span class=\"en\">clean piles</span></th><th class=\"n\">有信号 <span class=\"en\">with a signal</span></th>\
         <th class=\"n\">每半年 <span class=\"en\">per half-year</span></th><th class=\"n\">95 % 区间 <span class=\"en\">interval</span></th></tr>\n"
        .to_owned();
    for clean in &study.signals.at_clean {
        let (share, interval) = rate(clean);
        text.push_str(&format!(
            "<tr><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{share}</td><td class=\"n\">{interval}</td></tr>\n",
            clean.word(),
            clean.piles,
            clean.signalled
        ));
    }
    text.push_str("</table></div>\n");
    text
}

fn concordance(study: &Study) -> String {
    let mut text = heading("远程与现场", "Remote against on-site");
    text.push_str(
        "<table>\n<tr><th>远程 <span class=\"en\">remote</span></th><th class=\"n\">现场合格 <span class=\"en\">passes on site</span></th>\
         <th class=\"n\">现场不合格 <span class=\"en\">fails on site</span></th></tr>\n",
    );
    let names = ["限内 conform", "限外 nonconform", "待定 undecided", "不可比 not comparable"];
    for ((_, name), [passes, fails]) in VERDICTS.iter().zip(names).zip(&study.concordance.table) {
        text.push_str(&format!(
            "<tr><td>{name}</td><td class=\"n\">{passes}</td><td class=\"n\">{fails}</td></tr>\n"
        ));
    }
    text.push_str("</table>\n");
    text.push_str(&paragraph(
        "包括途中变化的桩：远程评估只说变化之后，现场检定在最后一天之后。",
        "Piles that changed on the way are among them: the assessment speaks of the time since, the on-site measurement was made after the last day.",
    ));
    text.push_str(&paragraph(
        "试点需要多少现场检定：一批桩中抽检若干而无一不合格时，以 95 % 的把握排除如下数量的不合格桩。",
        "What a trial needs on site: a sample without a bad pile rules out so many bad piles in the lot with 95 % confidence.",
    ));
    text.push_str(
        "<table>\n<tr><th class=\"n\">批量 <span class=\"en\">lot</span></th><th class=\"n\">排除不合格 <span class=\"en\">bad piles ruled out</span></th>\
         <th class=\"n\">抽检 <span class=\"en\">sample</span></th></tr>\n",
    );
    for (lot, bad, sample) in &study.concordance.samples {
        let sample = sample.map_or("–".to_owned(), |sample| sample.to_string());
        text.push_str(&format!(
            "<tr><td class=\"n\">{lot}</td><td class=\"n\">≥ {bad}</td><td class=\"n\">{sample}</td></tr>\n"
        ));
    }
    text.push_str("</table>\n");
    if let Some(bad) = study.concordance.ruled_out_by_13_of_40 {
        text.push_str(&paragraph(
            &format!("例：40 桩抽检 13 桩无一不合格，只能排除不合格桩达到 {bad} 台。"),
            &format!("For example, 13 of 40 without a bad one only rule out {bad} bad ones or more."),
        ));
    }
    text
}

fn cost_table(costs: &[cost::Step]) -> String {
    if costs.is_empty() {
        return String::new();
    }
    let mut text = heading("估计器的成本", "What the estimator costs");
    text.push_str(
        "<div class=\"scroll\"><table>\n<tr><th>增长的是 <span class=\"en\">growing</span></th><th class=\"n\">充电 <span class=\"en\">charges</span></th>\
         <th class=\"n\">桩 <span class=\"en\">piles</span></th><th class=\"n\">车辆 <span class=\"en\">vehicles</span></th>\
         <th class=\"n\">CPU / s</th><th class=\"n\">内存峰值 <span class=\"en\">peak</span> / MB</th></tr>\n",
    );
    for step in costs {
        let ((en, zh), cost) = (step.growing.words(), step.cost);
        text.push_str(&format!(
            "<tr><td>{zh} <span class=\"en\">{en}</span></td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
             <td class=\"n\">{:.2}</td><td class=\"n\">{:.0}</td></tr>\n",
            cost.size.charges, cost.size.piles, cost.size.vehicles, cost.cpu_s, cost.peak_mb
        ));
    }
    text.push_str("</table></div>\n");
    text.push_str(&paragraph(
        "一次整体评估（不含读写文件），每个规模一个进程；数值属于所用的机器，不是承诺。",
        "One whole assessment, reading and writing left out, a process for each size; figures are of the machine used, and no promise.",
    ));
    text
}

fn made_of(settings: &WorldSettings, seeds: &[SeedSeen]) -> String {
    let mut text = heading("世界的构成", "What the worlds are made of");
    text.push_str("<table>\n");
    for (zh, en, value) in settings_facts(settings) {
        let value = escape(&value);
        text.push_str(&format!("<tr><td>{zh} <span class=\"en\">{en}</span></td><td>{value}</td></tr>\n"));
    }
    let names: Vec<String> = seeds.iter().map(|seed| seed.seed.to_string()).collect();
    text.push_str(&format!(
        "<tr><td>种子 <span class=\"en\">seeds</span></td><td>{}</td></tr>\n</table>\n",
        names.join(", ")
    ));
    if settings.layout == Layout::Anhui {
        text.push_str(&paragraph(USED.0, USED.1));
    }
    if settings.noise == Noise::Nuisances {
        text.push_str(&paragraph(
            "界视温度、功率、荷电状态的影响为未知，视桩×车型、车辆漂移与数据路径为已知，因此偏低。",
            "The bound takes effects of temperature, power and state of charge as unknown, pile × model, drift and paths as known: it is \
             on the low side.",
        ));
    }
    let version = env!("CARGO_PKG_VERSION");
    text.push_str(&format!("<p class=\"en\">veripile {version} · veripile study</p>\n"));
    text
}
