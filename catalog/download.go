package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// The limits of a download. A machine without the network must learn so in seconds, and a slow one must not be given up.
const (
	connectTimeout  = 5 * time.Second
	responseTimeout = 30 * time.Second
	stallTimeout    = 60 * time.Second // without a single byte
	maxAttempts     = 5                // in a row that bring no byte
)

// client is an HTTP client that remembers which hosts cannot be reached, so that an entry of many files fails once.
type client struct {
	http  *http.Client
	dead  map[string]error
	stall time.Duration
	pause time.Duration // before the second attempt; doubles
}

func newClient() *client {
	t := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: connectTimeout}).DialContext,
		TLSHandshakeTimeout:   connectTimeout,
		ResponseHeaderTimeout: responseTimeout,
		ForceAttemptHTTP2:     true,
	}
	redirect := func(req *http.Request, via []*http.Request) error {
		if len(via) >= 10 {
			return errors.New("too many redirects")
		}
		if via[0].URL.Scheme == "https" && req.URL.Scheme != "https" {
			return fmt.Errorf("redirected from https to %s", req.URL.Redacted())
		}
		return nil
	}
	return &client{http: &http.Client{Transport: t, CheckRedirect: redirect}, dead: map[string]error{}, stall: stallTimeout, pause: 500 * time.Millisecond}
}

// statusError is an answer that says no.
type statusError struct {
	url  string
	code int
}

func (e *statusError) Error() string {
	s := fmt.Sprintf("%s answers %d %s", e.url, e.code, http.StatusText(e.code))
	if e.code == http.StatusUnauthorized || e.code == http.StatusForbidden {
		s += " (a gated model needs its licence accepted on the hub, and a token in HF_TOKEN)"
	}
	return s
}

// do sends a GET request, with the hub's token to the hub only.
func (c *client) do(ctx context.Context, rawURL string, header http.Header) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, rawURL, nil)
	if err != nil {
		return nil, err
	}
	if err := c.dead[req.URL.Host]; err != nil {
		return nil, err
	}
	if header != nil {
		req.Header = header
	}
	req.Header.Set("User-Agent", "lsat")
	if token := os.Getenv("HF_TOKEN"); token != "" && strings.HasPrefix(rawURL, hubEndpoint()+"/") {
		req.Header.Set("Authorization", "Bearer "+token) // net/http drops it when redirected to another host
	}
	resp, err := c.http.Do(req)
	if err != nil {
		var urlErr *url.Error
		if errors.As(err, &urlErr) {
			err = urlErr.Err // its text repeats the whole address
		}
		err = fmt.Errorf("%s: %w", req.URL.Host, err)
		var op *net.OpError
		var dns *net.DNSError
		if ctx.Err() == nil && (errors.As(err, &dns) || errors.As(err, &op) && op.Op == "dial") {
			c.dead[req.URL.Host] = err
		}
	}
	return resp, err
}

// partState is what a resumed download must know of the part that is there.
type partState struct {
	URL  string `json:"url"`
	ETag string `json:"etag"`
}

// download gets a step's object into path, resuming the part that an earlier attempt left at path + ".part". The object is checked
// against its pinned sum, once more from the start if it was pieced together; a wrong one is removed.
func (p *puller) download(ctx context.Context, step Step, path string) (err error) {
	part := path + ".part"
	p.progress.Begin(baseName(step.URL), fileSize(part), step.Size)
	defer func() { p.progress.End(err) }()
	resumed := fileSize(part) > 0
	attempts := 0
	for {
		before := fileSize(part)
		err := p.attempt(ctx, step, part)
		if err == nil {
			err = checkSum(part, step.SHA256)
			if err == nil {
				return errors.Join(os.Rename(part, path), removeIfThere(part+".json"))
			}
			if !errors.Is(err, ErrChecksum) || !resumed {
				return errors.Join(err, removeIfThere(part+".json"))
			}
			resumed = false
			continue
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		var status *statusError
		if errors.As(err, &status) && status.code < 500 && status.code != http.StatusTooManyRequests || !isNetwork(err) || p.client.isDead(step.URL) {
			return err
		}
		resumed = true
		if attempts++; fileSize(part) > before {
			attempts = 1
		}
		if attempts >= maxAttempts {
			return fmt.Errorf("after %d attempts: %w", attempts, err)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(p.client.pause << (attempts - 1)):
		}
	}
}

func (c *client) isDead(rawURL string) bool {
	u, err := url.Parse(rawURL)
	return err == nil && c.dead[u.Host] != nil
}

// errNetwork marks what another attempt may cure, as a full disk is not.
var errNetwork = errors.New("the connection broke")

func isNetwork(err error) bool {
	var status *statusError
	var netErr net.Error
	return errors.Is(err, errNetwork) || errors.As(err, &status) || errors.As(err, &netErr)
}

// attempt makes one request and appends to the part file what it brings. The file is whole when it returns nil.
func (p *puller) attempt(ctx context.Context, step Step, part string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var st partState
	if b, err := os.ReadFile(part + ".json"); err == nil {
		_ = json.Unmarshal(b, &st) // an unreadable state is an empty one: start over
	}
	have := fileSize(part)
	if st.URL != step.URL {
		have = 0
	}
	header := http.Header{}
	if have > 0 {
		header.Set("Range", fmt.Sprintf("bytes=%d-", have))
		if st.ETag != "" {
			header.Set("If-Range", st.ETag)
		}
	}
	resp, err := p.client.do(ctx, step.URL, header)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	var total int64
	switch resp.StatusCode {
	case http.StatusOK: // from the start, asked for or not
		have, total = 0, resp.ContentLength
	case http.StatusPartialContent:
		start, all, ok := contentRange(resp.Header.Get("Content-Range"))
		if !ok || start != have {
			return errors.Join(fmt.Errorf("%w: asked for bytes from %d, answered %q", errNetwork, have, resp.Header.Get("Content-Range")), removeIfThere(part))
		}
		total = all
	case http.StatusRequestedRangeNotSatisfiable: // the part is no beginning of what is there now, or is all of it already
		if _, all, ok := contentRange(resp.Header.Get("Content-Range")); ok && all == have && step.SHA256 != "" {
			return nil
		}
		return errors.Join(fmt.Errorf("%w: the object has changed", errNetwork), removeIfThere(part))
	default:
		return &statusError{url: step.URL, code: resp.StatusCode}
	}
	flags := os.O_CREATE | os.O_WRONLY | os.O_APPEND
	if have == 0 {
		flags |= os.O_TRUNC
		etag := resp.Header.Get("ETag")
		if strings.HasPrefix(etag, "W/") {
			etag = "" // a weak one may not be used in If-Range
		}
		if err := writeJSON(part+".json", partState{URL: step.URL, ETag: etag}); err != nil {
			return err
		}
	}
	f, err := os.OpenFile(part, flags, 0o644)
	if err != nil {
		return err
	}
	n, err := p.copyBody(resp.Body, f, have, cancel)
	if err == nil && total >= 0 && have+n != total {
		err = fmt.Errorf("%w after %d of %d bytes", errNetwork, have+n, total)
	}
	return errors.Join(err, f.Sync(), f.Close())
}

// copyBody copies until the end, an error, or a stall. Errors of the connection are errNetwork; those of the disk are not.
func (p *puller) copyBody(body io.Reader, f io.Writer, have int64, cancel context.CancelCauseFunc) (int64, error) {
	var stalled atomic.Bool
	watch := time.AfterFunc(p.client.stall, func() { stalled.Store(true); cancel(errNetwork) })
	defer watch.Stop()
	buf := make([]byte, 256<<10)
	var n int64
	for {
		k, err := body.Read(buf)
		if k > 0 {
			watch.Reset(p.client.stall)
			if _, werr := f.Write(buf[:k]); werr != nil {
				return n, werr
			}
			n += int64(k)
			p.progress.Set(have + n)
		}
		switch {
		case errors.Is(err, io.EOF):
			return n, nil
		case stalled.Load():
			return n, fmt.Errorf("%w: no byte for %v", errNetwork, p.client.stall)
		case err != nil:
			return n, fmt.Errorf("%w: %w", errNetwork, err)
		}
	}
}

// contentRange reads "bytes START-END/TOTAL" and "bytes */TOTAL".
func contentRange(s string) (start, total int64, ok bool) {
	s, found := strings.CutPrefix(s, "bytes ")
	span, all, found2 := strings.Cut(s, "/")
	if !found || !found2 {
		return 0, 0, false
	}
	total = -1
	if all != "*" {
		var err error
		if total, err = strconv.ParseInt(all, 10, 64); err != nil {
			return 0, 0, false
		}
	}
	if span == "*" {
		return 0, total, true
	}
	first, _, _ := strings.Cut(span, "-")
	start, err := strconv.ParseInt(first, 10, 64)
	return start, total, err == nil
}

func baseName(rawURL string) string {
	return rawURL[strings.LastIndexByte(rawURL, '/')+1:]
}

func fileSize(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
