// How soon a list is shown and answers, measured in the page.

/** Milliseconds until the first hundred rows of the list of incidents are painted. */
export function firstPaint(page) {
  return page.evaluate(async () => {
    const start = performance.now();
    location.hash = '#/incidents';
    while (document.querySelectorAll('table.records tbody tr').length < 100) await new Promise(requestAnimationFrame);
    await new Promise(requestAnimationFrame);
    return performance.now() - start;
  });
}

/** Milliseconds from "Load all" until so many rows are painted. */
export function allRows(page, wanted) {
  return page.evaluate(async (count) => {
    const start = performance.now();
    [...document.querySelectorAll('button')].find((button) => button.textContent === 'Load all').click();
    while (document.querySelectorAll('table.records tbody tr').length < count) await new Promise(requestAnimationFrame);
    await new Promise(requestAnimationFrame);
    return performance.now() - start;
  }, wanted);
}

/** Milliseconds from ten keys and choices in the list until the next frame, each. */
export function interactions(page) {
  return page.evaluate(async () => {
    const frame = () => new Promise(requestAnimationFrame);
    const press = (key) => document.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
    const boxes = document.querySelectorAll('table.records tbody input');
    const times = [];
    for (const act of [...'jjjkj'].map((key) => () => press(key)).concat([1, 3, 3, 5, 1].map((row) => () => boxes[row].click()))) {
      await frame();
      const start = performance.now();
      act();
      await frame();
      times.push(performance.now() - start);
    }
    return times;
  });
}

export const median = (times) => [...times].sort((a, b) => a - b)[Math.floor(times.length / 2)];
