package limit

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Rate is "N per duration, burst B". The zero value does not limit.
type Rate struct {
	Count int           // how many
	Per   time.Duration // in which time
	Burst int           // how many at once; Count where it is not given
}

// Bounds of a rate: what is larger is a slip of the pen.
const (
	maxCount = 1_000_000
	maxPer   = 24 * time.Hour
)

var ratePattern = regexp.MustCompile(`^(\d+) per (\S+?)(?:, ?burst (\d+))?$`)

// ParseRate reads "120 per 1m, burst 40", "5 per 1h", or "off".
func ParseRate(text string) (Rate, error) {
	if text == "off" {
		return Rate{}, nil
	}
	wrong := fmt.Errorf("%q is not a rate: write it like \"120 per 1m, burst 40\", or off", text)
	parts := ratePattern.FindStringSubmatch(strings.TrimSpace(text))
	if parts == nil {
		return Rate{}, wrong
	}
	count, countErr := strconv.Atoi(parts[1])
	per, perErr := time.ParseDuration(parts[2])
	burst, burstErr := count, error(nil)
	if parts[3] != "" {
		burst, burstErr = strconv.Atoi(parts[3])
	}
	if countErr != nil || perErr != nil || burstErr != nil {
		return Rate{}, wrong
	}
	if count < 1 || count > maxCount || burst < 1 || burst > maxCount || per < time.Millisecond || per > maxPer {
		return Rate{}, fmt.Errorf("%q is out of bounds: 1 to %d, per 1ms to 24h", text, maxCount)
	}
	return Rate{Count: count, Per: per, Burst: burst}, nil
}

// Off reports whether there is no limit.
func (r Rate) Off() bool { return r.Count == 0 }

// String is what ParseRate reads.
func (r Rate) String() string {
	if r.Off() {
		return "off"
	}
	return fmt.Sprintf("%d per %s, burst %d", r.Count, shortDuration(r.Per), r.Burst)
}

// shortDuration is 1m for 1m0s.
func shortDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
