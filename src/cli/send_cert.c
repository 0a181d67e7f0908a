#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <string.h>

/* Apart from the rest: OpenSSL's err.h and base/err.h give the same name to different things. */
bool send_cert_is_for(const char *pem, const char *name);

bool send_cert_is_for(const char *pem, const char *name)
{
	BIO *in = BIO_new_mem_buf(pem, -1);
	X509 *cert = in ? PEM_read_bio_X509(in, NULL, NULL, NULL) : NULL;
	bool is_for = cert &&
		(X509_check_host(cert, name, strlen(name), 0, NULL) == 1 ||
			X509_check_ip_asc(cert, name, 0) == 1);

	X509_free(cert);
	BIO_free(in);
	return is_for;
}
