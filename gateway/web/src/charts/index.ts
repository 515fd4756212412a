/** Charts: over time (the canvas comes when it is needed), the depth of an order book, where energy flows. */

export { Chart } from "./Chart";
export { DepthChart } from "./DepthChart";
export { Sankey } from "./Sankey";
export { gapped, type Series } from "./series";
