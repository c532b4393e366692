package settings

import (
	"net"
	"reflect"
	"strings"

	"github.com/holdfast-pay/holdfast/identity"
	"github.com/holdfast-pay/holdfast/lndclient"
)

// ForAPI is what `holdfast api` is told. Errors: ReasonInvalidInput, with all mistakes at once.
func (s Settings) ForAPI() (Server, error) {
	var server Server
	mistakes := s.fillAll(&server.House, &server.Shared, &server.API)
	mistakes = append(mistakes, houseMistakes(server.House)...)
	mistakes = append(mistakes, s.temporalMistakes()...)
	mistakes = append(mistakes, server.apiMistakes()...)
	return server, together(mistakes)
}

// ForWorker is what `holdfast worker` is told. How it reaches its nodes is checked too: see Node.
func (s Settings) ForWorker() (Server, error) {
	var server Server
	mistakes := s.fillAll(&server.House, &server.Shared, &server.Worker)
	house := houseMistakes(server.House)
	mistakes = append(mistakes, house...)
	mistakes = append(mistakes, s.temporalMistakes()...)
	if server.Worker.Development && server.House.Network == lndclient.Mainnet {
		mistakes = append(mistakes, mistake(label("HOLDFAST_DEVELOPMENT")+" is true on mainnet. Turn it off: callbacks could reach what is inside your network."))
	}
	if len(house) > 0 {
		return server, together(mistakes)
	}
	for _, node := range server.House.Nodes {
		for _, setting := range nodeSettings(node) {
			if _, found := s.Get(setting); !found {
				mistakes = append(mistakes, mistake(missing(setting)))
			}
		}
	}
	return server, together(mistakes)
}

// SharedOnly is what payments started by a command cost at most.
func (s Settings) SharedOnly() (Shared, error) {
	var shared Shared
	return shared, together(s.fillAll(&shared))
}

// ForCodec is what `holdfast codec` is told. Of the house it needs the keys alone.
func (s Settings) ForCodec() (Codec, error) {
	var told Codec
	mistakes := s.fillAll(&told)
	if text, found := s.Get(PayloadKeys); !found {
		mistakes = append(mistakes, mistake(label(PayloadKeys)+" is not set, so there is nothing to open with. Set it to the keys that the workers have."))
	} else if _, err := form("payloadkeys", text); err != nil {
		mistakes = append(mistakes, mistake(label(PayloadKeys)+": "+err.Error()))
	}
	return told, together(mistakes)
}

func (s Settings) fillAll(parts ...any) []error {
	var mistakes []error
	for _, part := range parts {
		mistakes = append(mistakes, s.fill(reflect.ValueOf(part).Elem())...)
	}
	return mistakes
}

// houseMistakes are those of settings that are there; what is missing was named before.
func houseMistakes(h House) []error {
	var mistakes []error
	if h.Network != "" {
		mistakes = appendIf(mistakes, knownNetwork(h.Network))
	}
	return appendIf(mistakes, nodeNames(h.Nodes, strings.Join(h.Nodes, ",")))
}

func appendIf(mistakes []error, err error) []error {
	if err != nil {
		return append(mistakes, err)
	}
	return mistakes
}

// apiMistakes are settings that do not fit each other.
func (s Server) apiMistakes() []error {
	a := s.API
	var mistakes []error
	add := func(bad bool, text string) {
		if bad {
			mistakes = append(mistakes, mistake(text))
		}
	}
	add(a.HTTP == "", label("HOLDFAST_HTTP")+" is off. Give host:port: nothing would be served.")
	add(sameAddress(a.HTTP, a.GRPC), label("HOLDFAST_GRPC")+" is the address of HOLDFAST_HTTP. Use another port.")
	add(sameAddress(a.HTTP, a.Metrics) || sameAddress(a.GRPC, a.Metrics),
		label("HOLDFAST_METRICS")+" is the address of another listener. Use another port.")
	add(a.Development && s.House.Network == lndclient.Mainnet,
		label("HOLDFAST_DEVELOPMENT")+" is on and the network is mainnet: anybody could log in. Turn it off.")
	add(unknownSignature(a.JWTAlgorithms), label("HOLDFAST_JWT_ALGORITHMS")+" is \""+strings.Join(a.JWTAlgorithms, ",")+
		"\". Use some of "+strings.Join(identity.Signatures(), ", ")+".")
	add(identity.InTheClear(a.JWKSURL) && !a.JWKSInsecure && !a.Development,
		label("HOLDFAST_JWKS_URL")+" is http://: whoever is on the way could answer with keys of his own. Use https://, or, where nobody can be, set HOLDFAST_JWKS_INSECURE=true.")
	add(a.JWKSURL != "" && a.JWTIssuer == "", label("HOLDFAST_JWT_ISSUER")+" is not set. Set it to the issuer whose keys HOLDFAST_JWKS_URL has.")
	add(a.JWKSURL != "" && a.JWTAudience == "", label("HOLDFAST_JWT_AUDIENCE")+" is not set. Set it to the name by which the issuer calls us.")
	add(a.JWKSURL == "" && !a.Development && a.JWTIssuer != "", label("HOLDFAST_JWKS_URL")+" is not set. Set it to the keys of HOLDFAST_JWT_ISSUER.")
	add(a.GRPC != "" && a.GRPCToken == "", label("HOLDFAST_GRPC_TOKEN")+" is not set. Set it to a random text that callers present, or turn HOLDFAST_GRPC off.")
	add((a.GRPCTLSCert == "") != (a.GRPCTLSKey == ""),
		label("HOLDFAST_GRPC_TLS_CERT")+" and "+label("HOLDFAST_GRPC_TLS_KEY")+" belong together. Set both.")
	add(a.GRPC != "" && a.GRPCTLSCert == "" && a.GRPCTLSKey == "" && !a.Development,
		label("HOLDFAST_GRPC_TLS_CERT")+" is not set. Set it and HOLDFAST_GRPC_TLS_KEY, or turn HOLDFAST_GRPC off.")
	add(a.Limits.WriteTimeout != 0 && s.Shared.PaymentWait != 0 && a.Limits.WriteTimeout <= s.Shared.PaymentWait,
		label("HOLDFAST_WRITE_TIMEOUT")+" is not longer than HOLDFAST_PAYMENT_WAIT. A payment's answer would be cut off: make it longer.")
	return mistakes
}

// sameAddress reports whether two listeners would collide; port 0 never does.
func sameAddress(a, b string) bool {
	_, port, err := net.SplitHostPort(a)
	return err == nil && port != "0" && a == b
}
