// Runs before Cognito makes a token. It leaves the scopes of the user's groups, and adds the claim of the customer.
//
// Without this trigger every user would get every scope that the client may ask for.

const SERVER = 'anomalies';
const SCOPES = ['read', 'write', 'admin'];

export async function handler(event) {
  const groups = event.request.groupConfiguration?.groupsToOverride ?? [];
  const customer = event.request.userAttributes['custom:customer_id'];
  const lacking = SCOPES.filter((scope) => !groups.includes(`${SERVER}-${scope}`));
  event.response = {
    claimsAndScopeOverrideDetails: {
      accessTokenGeneration: {
        // The API shows a bearer with this claim one customer, and needs the scope of administrators without it.
        claimsToAddOrOverride: customer ? { customer_id: customer } : {},
        scopesToSuppress: lacking.map((scope) => `${SERVER}/${scope}`),
      },
    },
  };
  return event;
}
