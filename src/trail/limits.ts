/** How large a record's values may be. */

/** Longest single value, in UTF-16 units; `message` and option values have limits of their own. */
export const MAX_TEXT = 1024;
export const MAX_OPTION_VALUE = 8192;
export const MAX_LIST = 64;
