/**
 * The extended key usage that lets a certificate's key sign identities: `2.25` followed by the UUID
 * 9d661d70-25f0-4cea-80bd-cb11ad6e87d8 as a number (ITU-T X.667 §7). No certificate that a CA gave out for another use has it.
 */
export const NODE_KEY_USAGE = '2.25.209219006692976502745820808006859655128'
