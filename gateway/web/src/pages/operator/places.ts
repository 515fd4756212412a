/** Where staff look at things. */

import { part } from "../../api/client";

export const OPERATOR = "/operator";

export const toFeeder = (id: string) => `${OPERATOR}/feeders/${part(id)}`;
export const toCustomer = (id: string) => `${OPERATOR}/customers/${part(id)}`;
export const toPoint = (id: string) => `${OPERATOR}/points/${part(id)}`;
export const toMeter = (id: string) => `${OPERATOR}/meters/${part(id)}`;
export const toTariff = (id: string) => `${OPERATOR}/tariffs/${part(id)}`;
export const toBill = (id: string) => `/bills/${part(id)}`;
