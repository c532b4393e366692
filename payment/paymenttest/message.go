package paymenttest

import (
	"regexp"
	"strings"
)

// verbs begin what a message asks its reader to do.
const verbs = `ask|change|check|choose|close|convert|copy|correct|create|delete|get|give|have|keep|leave|log in|look|make|mine|name|open|paste|pay|present|raise|` +
	`receive|record|repeat|report|reserve|reverse|revoke|run|select|send|serve|set|start|stop|tell|try|upgrade|use|wait|write`

// remedy finds what to do: an imperative at the beginning of a sentence or clause, a rule (must), when to come again; or that there
// is nothing to do, since nothing was paid, or all was.
var remedy = regexp.MustCompile(`(?i)(^|[.?!:;,] |, or |, and )(` + verbs + `)\b|\bmust\b|frees up at|nothing was (paid|sent|taken)|` +
	`before anything was sent|^invoice is already paid\.$`)

// foreign are words of drivers and of Go, which tell a user nothing.
var foreign = []string{"rpc error", "sqlstate", "context deadline", "pgx", "desc =", "%!", "0x", "nil", "panic"}

// Lacks says what keeps a text from being a message for a user; empty if nothing does.
func Lacks(message string) string {
	text := strings.ToLower(message)
	for _, word := range foreign {
		if strings.Contains(text, word) {
			return "it has a driver's word, " + word
		}
	}
	switch {
	case !strings.HasSuffix(message, "."):
		return "it is no sentence"
	case !remedy.MatchString(message):
		return "it does not say what to do"
	default:
		return ""
	}
}
