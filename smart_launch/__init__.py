"""A SMART App Launch 2.2.0 client, in the order of a launch.

========================  =====================================================
file                      what it decides or does
========================  =====================================================
registration.py           one EHR's entry: issuer, client id, authentication
addresses.py              which addresses may be called at all
http.py                   the one place that opens sockets: limits and retries
                          (http_limits.py, http_session.py, http_failures.py)
answer.py                 one HTTP answer, whole or as a stream
discovery.py              ``.well-known/smart-configuration``
authorization.py          the address the browser is sent to (PKCE, state, aud)
callback.py               what came back to the redirect URI
client_keys.py            our own signing keys and their public JWKS
client_authentication.py  public, client secret, private_key_jwt
token.py                  token, refresh and revocation requests and answers
token_endpoint.py         sending them
server_keys.py            the authorization server's public keys
id_token.py               who the user is
fhir_user.py              the ``fhirUser`` claim as a reference
context.py                patient, encounter, fhirContext, intent
style.py                  how the EHR would like the app to look
scopes.py                 what was granted against what is needed
launch.py                 the steps above as three calls
introspection.py          what the server says of a token that it gave
backend.py                a token without a user (backend services)
fhir_client.py            writing FHIR with the token
fhir_reader.py            reading and searching it, several things at once too
fhir_batch.py             questions and answers of a batch
fhir_answers.py           status and OperationOutcome (outcome.py) as errors
fhir_addresses.py         references, Location, next links
fhir_bundles.py           entries and pages of a search
stored.py                 what a create or an update stored
========================  =====================================================

Only ``http.py`` sends, and ``fhir_client.py`` and ``fhir_reader.py`` through it; every
other file turns plain values into plain values.
"""
