// What a page must look like wherever it is shown: charts that can be read. Called by pages.mjs and drivers.mjs, in the page; it changes nothing.

// Letters under so many pixels are not read on a phone.
export const LETTER_PX = 11;

// What is wrong with the charts of a page: letters too small, cut off, or one upon the other. Where lines of a label stand in a verification's
// chart is tested where it is drawn.
export const chartFaults = (least) =>
  [...document.querySelectorAll("svg.chart, svg.error-chart")].flatMap((chart) => {
    const scale = chart.getScreenCTM().a;
    const whole = chart.getBoundingClientRect();
    const texts = [...chart.querySelectorAll("text")].map((one) => ({ said: one.textContent, box: one.getBoundingClientRect(), px: parseFloat(getComputedStyle(one).fontSize) * scale }));
    const meet = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
    return [
      ...texts.filter(({ px }) => px < least).map(({ said, px }) => `${said} has ${px.toFixed(1)} px`),
      ...texts.filter(({ box }) => box.left < whole.left - 1 || box.right > whole.right + 1 || box.bottom > whole.bottom + 1).map(({ said }) => `${said} is cut off`),
      ...(chart.matches(".error-chart") ? [] : texts).flatMap((one, index) => texts.slice(index + 1).filter((other) => meet(one.box, other.box)).map((other) => `${one.said} meets ${other.said}`)),
    ];
  });
