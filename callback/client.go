package callback

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

// Timeout is for one call in all: looking the name up, connecting, TLS, sending, and the answer.
const Timeout = 10 * time.Second

// maxAnswer is how much of an answer is read, headers and body each; nobody reads what it says.
const maxAnswer = 64 << 10

// errNotPublic refuses an address at the moment when it would be dialled.
var errNotPublic = errors.New("its address is not on the public internet")

// Client calls URLs that strangers name. It is safe for use by many goroutines.
type Client struct {
	http    *http.Client
	inside  bool
	timeout time.Duration
}

// NewClient gives a client. inside also allows http and addresses of this machine and its network: for development.
func NewClient(inside bool) *Client {
	dialer := &net.Dialer{Timeout: Timeout}
	if !inside {
		dialer.Control = refuseInside
	}
	return &Client{
		inside: inside, timeout: Timeout,
		http: &http.Client{
			Transport: &http.Transport{
				Proxy:       nil, // the check of the address would be one of the proxy's
				DialContext: dialer.DialContext, TLSHandshakeTimeout: Timeout, ResponseHeaderTimeout: Timeout,
				MaxResponseHeaderBytes: maxAnswer, MaxIdleConns: 32, MaxIdleConnsPerHost: 2, IdleConnTimeout: 15 * time.Second,
				DisableCompression: true, // what is read is bounded as it comes
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// refuseInside sees the address that is dialled, after the name was looked up.
func refuseInside(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil || !public(at.Addr()) {
		return errNotPublic
	}
	return nil
}

// Answer is the status that an endpoint answered, or why there is none.
type Answer struct {
	Status int    // 0: there was no answer
	Why    string // for the owner and operators: in our words, nothing of what the endpoint said
}

// Delivered reports whether the endpoint took the message.
func (a Answer) Delivered() bool { return a.Status >= 200 && a.Status < 300 }

// Gone reports whether the endpoint wants to be called no more.
func (a Answer) Gone() bool { return a.Status == http.StatusGone }

// Send makes one attempt. What the endpoint does is the answer, never an error; an error means that there was no attempt
// because of ours.
func (c *Client) Send(ctx context.Context, call Call) (Answer, error) {
	if err := CheckURL(call.URL, c.inside); err != nil {
		return Answer{Why: "the URL may not be called here"}, nil //nolint:nilerr // it was allowed when it was added
	}
	headers, err := call.headers()
	if err != nil {
		return Answer{}, fmt.Errorf("sign the message: %w", err)
	}
	limited, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(limited, http.MethodPost, call.URL, bytes.NewReader(call.Body))
	if err != nil {
		return Answer{Why: "the URL cannot be called"}, nil //nolint:nilerr // as above
	}
	req.Header = headers
	res, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return Answer{}, ctx.Err()
		}
		return Answer{Why: reason(err)}, nil
	}
	defer func() { _ = res.Body.Close() }()                         // it has been read as far as it will be
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxAnswer)) // so that the connection may be used again; the status decides
	answer := Answer{Status: res.StatusCode}
	if !answer.Delivered() {
		answer.Why = fmt.Sprintf("it answered HTTP %d", res.StatusCode)
	}
	return answer, nil
}

// reason says why there was no answer: in our words, since an error may quote what the endpoint sent.
func reason(err error) string {
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return fmt.Sprintf("it did not answer within %v", Timeout)
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return "its name cannot be resolved"
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "its certificate is not valid"
	}
	switch {
	case errors.Is(err, errNotPublic):
		return errNotPublic.Error()
	case errors.Is(err, syscall.ECONNREFUSED):
		return "it refused the connection"
	default:
		return "the connection broke, or the answer was not HTTP"
	}
}
