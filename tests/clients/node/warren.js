// Where Warren is, and what is asked of it by every client.

export const url = process.env.WARREN_URL;
export const key = process.env.WARREN_KEY;
export const model = process.env.WARREN_MODEL;
export const weather = ({ city }) => `rain in ${city}`;
