#include "host/include/i386/host/crypto/sha-round.h"
