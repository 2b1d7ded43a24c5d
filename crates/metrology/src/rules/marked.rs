//! What of a rule set is general knowledge and to be confirmed: its numbers in words, in both languages, for documents and pages.
//!
//! Called through [`RuleSet::unconfirmed`]. It never says what the numbers are good for.

use super::shape::{Bilingual, RuleSet, Sureness};

/// A number in words, where it stands, how sure it is.
type Marked<'a> = (Bilingual, &'a Bilingual, Sureness);

fn words(zh: String, en: String) -> Bilingual {
    Bilingual { zh, en }
}

impl RuleSet {
    /// What is general knowledge and to be confirmed against the regulation itself, one line a number, for documents that rest
    /// on it. Proposed load points are never a regulation's and always stand here.
    pub fn unconfirmed(&self) -> Vec<Bilingual> {
        let numbers = self.figures().into_iter().chain(self.limits());
        let open = numbers.filter(|(_, _, sureness)| *sureness == Sureness::ToBeConfirmed);
        let line = |(what, clause, _): Marked<'_>| {
            words(format!("{}（{}）", what.zh, clause.zh), format!("{} ({})", what.en, clause.en))
        };
        let mut lines: Vec<Bilingual> = open.map(line).collect();
        let points = self.load_points.proposed.len();
        if 0 < points {
            lines.push(words(
                format!("{points} 个负载点由本平台建议，并非规程所定"),
                format!("{points} load points are proposed by this platform, not by the regulation"),
            ));
        }
        lines
    }

    /// What every rule set has.
    fn figures(&self) -> Vec<Marked<'_>> {
        let class = |class: &super::Class| {
            let (name, mpe) = (&class.name, class.mpe_percent);
            words(format!("{name} 级：±{mpe} %"), format!("class {name}: ±{mpe} %"))
        };
        let mut marked: Vec<Marked<'_>> =
            self.classes.iter().map(|known| (class(known), &known.clause, known.sureness)).collect();
        if let Some(rounding) = &self.rounding {
            let part = rounding.fraction_of_class;
            let what = words(format!("化整间隔为等级的 {part}"), format!("rounding to {part} of the class"));
            marked.push((what, &rounding.clause, rounding.sureness));
        }
        if let Some(interval) = &self.interval {
            let years = interval.years;
            let what = words(format!("检定周期 {years} 年"), format!("interval of {years} years"));
            marked.push((what, &interval.clause, interval.sureness));
        }
        let points = &self.load_points;
        let least = points.at_least;
        let what = words(format!("负载点不少于 {least} 个"), format!("at least {least} load points"));
        marked.push((what, &points.clause, points.sureness));
        let range = &self.current_range;
        let (part, least) = (range.least_fraction, range.least_a);
        let what = words(
            format!("最小电流为最大电流的 {part}，且不小于 {least} A"),
            format!("least current {part} of the largest, {least} A"),
        );
        marked.push((what, &range.clause, range.sureness));
        let energy = &self.energy;
        let (step, part) = (energy.register_step_wh, energy.resolution_fraction_of_class);
        let what = words(format!("最小电能变量 {step} Wh"), format!("register step of {step} Wh"));
        marked.push((what, &energy.clause, energy.register_step_sureness));
        let what = words(
            format!("分辨力与试验电能之比不大于等级的 {part}"),
            format!("resolution up to {part} of the class of the energy"),
        );
        marked.push((what, &energy.clause, energy.sureness));
        let readings = &self.readings;
        let least = readings.at_least;
        let what = words(format!("每点读数不少于 {least} 次"), format!("at least {least} readings"));
        marked.push((what, &readings.clause, readings.sureness));
        marked
    }

    /// What results are held to, and the items.
    fn limits(&self) -> Vec<Marked<'_>> {
        let standard = &self.standard;
        let ratio = standard.expanded_ratio_max;
        let what = words(
            format!("标准器的不确定度不大于限值的 {ratio}"),
            format!("uncertainty of the standard up to {ratio} of the limit"),
        );
        let mut marked: Vec<Marked<'_>> = vec![(what, &standard.clause, standard.sureness)];
        let decision = &self.decision;
        let (zh, en) =
            if decision.on_rounded { ("化整后", "rounded") } else { ("未化整", "unrounded") };
        let what = words(format!("按{zh}的值判定"), format!("decision on the {en} value"));
        marked.push((what, &decision.clause, decision.sureness));
        if let Some(clock) = &self.clock {
            let (first, later) = (clock.first_s, clock.later_s);
            let what = words(
                format!("时钟误差首次检定不超过 {first} s，后续检定不超过 {later} s"),
                format!("clock error up to {first} s at first, {later} s later"),
            );
            marked.push((what, &clock.clause, clock.sureness));
        }
        if let Some(insulation) = &self.insulation {
            let (least, volts) = (insulation.least_megohm, insulation.test_voltage_v);
            let what = words(
                format!("绝缘电阻不小于 {least} MΩ，试验电压 {volts} V"),
                format!("insulation of at least {least} MΩ at {volts} V"),
            );
            marked.push((what, &insulation.clause, insulation.sureness));
        }
        if let Some(indication) = &self.indication {
            let ratio = indication.ratio_of_mpe;
            let what = words(
                format!("示值误差限为最大允许误差的 {ratio} 倍"),
                format!("indication error up to {ratio} of the maximum permissible error"),
            );
            marked.push((what, &indication.clause, indication.sureness));
        }
        for item in &self.items {
            let what =
                words(format!("检定项目：{}", item.code.word_zh()), format!("item {}", item.code.word()));
            marked.push((what, &item.clause, item.sureness));
        }
        marked
    }
}
