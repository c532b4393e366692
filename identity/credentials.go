package identity

import (
	"net/http"
	"strings"

	"github.com/holdfast-pay/holdfast/payment"
)

// Credentials are what a caller shows: an API key's secret or a token, never both. The zero value: none.
type Credentials struct {
	APIKey string
	Bearer string
}

// Names under which credentials come, in headers and in connection parameters.
const (
	headerAPIKey        = "X-API-KEY"
	headerAuthorization = "Authorization"
	scheme              = "Bearer"
)

const (
	maxSecret = maxPrefix + 1 + secretLength
	maxToken  = 8 << 10 // bytes
)

// String hides the secrets, so that they cannot slip into a log.
func (c Credentials) String() string {
	switch {
	case c.APIKey != "":
		return "an API key"
	case c.Bearer != "":
		return "a token"
	default:
		return "none"
	}
}

// GoString hides the secrets.
func (c Credentials) GoString() string { return c.String() }

// CredentialsOfHeader reads X-API-KEY or Authorization: Bearer. An empty header is none. Errors: ReasonUnauthenticated for
// both at once, for the same one twice, for another scheme and for what is too long to be one of ours.
func CredentialsOfHeader(h http.Header) (Credentials, error) {
	apiKey, err := single(h.Values(headerAPIKey))
	if err != nil {
		return Credentials{}, err
	}
	authorization, err := single(h.Values(headerAuthorization))
	if err != nil {
		return Credentials{}, err
	}
	return credentials(apiKey, authorization)
}

// CredentialsOfParams reads the connection parameters of a WebSocket: the same names as in headers, whatever their case.
// Errors: as CredentialsOfHeader, and for values that are no text.
func CredentialsOfParams(params map[string]any) (Credentials, error) {
	found := map[string][]string{}
	for name, value := range params {
		for _, known := range []string{headerAPIKey, headerAuthorization} {
			if !strings.EqualFold(name, known) || value == nil {
				continue
			}
			text, ok := value.(string)
			if !ok {
				return Credentials{}, unauthenticated("The connection parameter %s must be text.", known)
			}
			found[known] = append(found[known], text)
		}
	}
	apiKey, err := single(found[headerAPIKey])
	if err != nil {
		return Credentials{}, err
	}
	authorization, err := single(found[headerAuthorization])
	if err != nil {
		return Credentials{}, err
	}
	return credentials(apiKey, authorization)
}

func single(values []string) (string, error) {
	switch len(values) {
	case 0:
		return "", nil
	case 1:
		return strings.Trim(values[0], " \t"), nil
	default:
		return "", unauthenticated("Send one API key or one token, not several.")
	}
}

func credentials(apiKey, authorization string) (Credentials, error) {
	if authorization == "" {
		if len(apiKey) > maxSecret {
			return Credentials{}, badKey()
		}
		return Credentials{APIKey: apiKey}, nil
	}
	if apiKey != "" {
		return Credentials{}, unauthenticated("Send an API key or a token, not both.")
	}
	given, token, _ := strings.Cut(authorization, " ")
	token = strings.Trim(token, " ")
	if !strings.EqualFold(given, scheme) || token == "" {
		return Credentials{}, unauthenticated("The Authorization header must be: Bearer, a space, and the token.")
	}
	if len(token) > maxToken {
		return Credentials{}, badToken()
	}
	return Credentials{Bearer: token}, nil
}

func unauthenticated(format string, args ...any) *payment.Error {
	return payment.Errorf(payment.ReasonUnauthenticated, format, args...)
}

// badKey is one answer for every API key that does not prove anything, so that it tells nothing about keys that exist.
func badKey() *payment.Error {
	return unauthenticated("The API key is unknown, revoked or expired. Use another one.")
}

// badToken is one answer for every token that does not prove anything.
func badToken() *payment.Error {
	return unauthenticated("The token is not valid, or no longer. Log in again.")
}
