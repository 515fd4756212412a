/** The canvas of a chart over time, by uPlot. Loaded when the first chart is shown, and never before. */

import { useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { useFormat } from "../format";
import { offsetMs } from "../format/zone";
import type { Series } from "./series";

interface PlotProps {
  readonly times: readonly number[];
  readonly series: readonly Series[];
  readonly height: number;
  readonly zero: boolean;
  /** A line that should not be crossed */
  readonly limit?: { readonly value: number; readonly label: string };
  value(value: number): string;
}

const DAY_S = 86_400;

export default function Plot({ times, series, height, zero, limit, value }: PlotProps) {
  const box = useRef<HTMLDivElement>(null);
  const format = useFormat();
  const { language, zone } = format.ground;

  useEffect(() => {
    const element = box.current;
    if (!element) return;
    let chart: uPlot | undefined;
    const draw = () => {
      chart?.destroy();
      const colour = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
      const [ink, line] = [colour("--ink-soft"), colour("--line")];
      const part = (options: Intl.DateTimeFormatOptions) => {
        const made = new Intl.DateTimeFormat(language, { timeZone: "UTC", ...options });
        return (second: number) => made.format(second * 1_000 + offsetMs(zone, second * 1_000));
      };
      const [clock, day, month] = [
        part({ hour: "2-digit", minute: "2-digit" }),
        part({ day: "numeric", month: "short" }),
        part({ month: "short", year: "2-digit" }),
      ];
      const stepOf = (increment: number) => (increment < DAY_S ? clock : increment < 27 * DAY_S ? day : month);
      const font = `12px ${getComputedStyle(element).fontFamily}`;
      const axis: uPlot.Axis = {
        stroke: ink,
        font,
        grid: { stroke: line, width: 1 },
        ticks: { stroke: line, width: 1 },
      };
      chart = new uPlot(
        {
          width: element.clientWidth,
          height,
          tzDate: (second) => wallDate(second * 1_000 + offsetMs(zone, second * 1_000)),
          cursor: { y: false, points: { size: 7 } },
          scales: { y: { range: (_, least, most) => range(least, most, zero, limit?.value) } },
          axes: [
            {
              ...axis,
              space: 68,
              values: (_, splits, __, ___, increment) => splits.map(stepOf(increment)),
            },
            {
              ...axis,
              size: (_, values) => 14 + 7 * Math.max(4, ...(values ?? []).map((one) => one.length)),
              values: (_, splits) => splits.map(value),
            },
          ],
          series: [
            { label: "", value: (_, second) => (second === null ? "–" : format.time(second * 1_000)) },
            ...series.map((one, at) => drawn(one, colour(`--series-${one.colour ?? (at % 6) + 1}`), value)),
          ],
          hooks: limit ? { draw: [(of) => drawLimit(of, limit, colour("--bad"), font)] } : {},
        },
        [times.map((time) => time / 1_000), ...series.map((one) => [...one.values])] as uPlot.AlignedData,
        element,
      );
    };
    draw();
    const resized = new ResizeObserver(() => chart?.setSize({ width: element.clientWidth, height }));
    resized.observe(element);
    const themed = new MutationObserver(draw);
    themed.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    return () => {
      themed.disconnect();
      resized.disconnect();
      chart?.destroy();
    };
  }, [times, series, height, zero, limit, value, language, zone, format]);

  return <div ref={box} className="plot min-w-0 overflow-hidden" style={{ minHeight: height }} />;
}

/** A date whose local parts are those of the wall's clock: uPlot asks for these. */
function wallDate(wallMs: number): Date {
  const at = new Date(wallMs);
  return new Date(
    at.getUTCFullYear(),
    at.getUTCMonth(),
    at.getUTCDate(),
    at.getUTCHours(),
    at.getUTCMinutes(),
    at.getUTCSeconds(),
  );
}

function range(least: number | null, most: number | null, zero: boolean, limit?: number): [number, number] {
  let low = least ?? 0;
  let high = most ?? 1;
  if (limit !== undefined && high > limit * 0.6) high = Math.max(high, limit);
  if (zero) [low, high] = [Math.min(low, 0), Math.max(high, 0)];
  const room = (high - low || Math.abs(high) || 1) * 0.08;
  return [zero && low === 0 ? 0 : low - room, high + room];
}

function drawn(series: Series, colour: string, value: (value: number) => string): uPlot.Series {
  const { bars, stepped } = uPlot.paths;
  const shape = series.shape ?? "line";
  const made: uPlot.Series = {
    label: series.label,
    stroke: colour,
    width: shape === "bars" ? 0 : 1.75,
    points: { show: false },
    value: (_, one) => (one === null || one === undefined ? "–" : value(one)),
  };
  if (shape === "area") made.fill = `${colour}26`;
  if (shape === "steps" && stepped) made.paths = stepped({ align: 1 });
  if (shape === "bars" && bars) {
    made.fill = colour;
    made.paths = bars({ size: [0.78, 36, 1], align: 1, radius: 0.12 });
  }
  return made;
}

function drawLimit(chart: uPlot, limit: { value: number; label: string }, colour: string, font: string): void {
  const y = chart.valToPos(limit.value, "y", true);
  const { left, top, width, height } = chart.bbox;
  if (y < top || y > top + height) return;
  const { ctx } = chart;
  ctx.save();
  ctx.strokeStyle = ctx.fillStyle = colour;
  ctx.setLineDash([6, 5]);
  ctx.lineWidth = devicePixelRatio;
  ctx.beginPath();
  ctx.moveTo(left, y);
  ctx.lineTo(left + width, y);
  ctx.stroke();
  ctx.font = font.replace("12px", `${12 * devicePixelRatio}px`);
  ctx.textAlign = "right";
  ctx.fillText(limit.label, left + width - 4, y - 5 * devicePixelRatio);
  ctx.restore();
}
