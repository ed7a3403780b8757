// The launch value of this hospital's viewer is the FHIR id of the patient whose chart is open.
var client = keycloakSession.getContext().getClient();
var session = userSession.getAuthenticatedClientSessionByClient(client.getId());
var launch = session === null ? null : session.getNote("client_request_param_launch");
exports = launch !== null && /^[A-Za-z0-9\-.]{1,64}$/.test(launch) ? launch : null;
