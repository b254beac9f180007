//! Names for records: of IANA's "Internet Key Exchange (IKE) Attributes" and "IKEv2 Parameters", as EVE spells them.

/// Attributes of an association: EVE's name and the number in version 1 (RFC 2409 appendix A), or 0.
pub(super) const ATTRIBUTES: &[(&str, u16)] = &[
    ("alg_enc", 1),
    ("alg_hash", 2),
    ("alg_auth", 3),
    ("alg_dh", 4),
    ("sa_group_type", 5),
    ("sa_group_prime", 6),
    ("sa_group_generator_one", 7),
    ("sa_group_generator_two", 8),
    ("sa_group_curve_a", 9),
    ("sa_group_curve_b", 10),
    ("sa_life_type", 11),
    ("sa_life_duration", 12),
    ("alg_prf", 13),
    ("sa_key_length", 14),
    ("sa_field_size", 15),
    ("sa_group_order", 16),
    ("alg_esn", 0),
    ("unknown", 0),
];

pub(super) const ALG_ENC: usize = 0;
pub(super) const ALG_AUTH: usize = 2;
pub(super) const ALG_DH: usize = 3;
pub(super) const ALG_PRF: usize = 12;
pub(super) const ALG_ESN: usize = 16;
pub(super) const UNKNOWN: usize = 17;

/// The name of a value of an attribute of version 1.
pub(super) fn value_v1(attribute: usize, value: u64) -> &'static str {
    const ENC: [&str; 8] = [
        "EncDesCbc",
        "EncIdeaCbc",
        "EncBlowfishCbc",
        "EncRc5R16B64Cbc",
        "EncTripleDesCbc",
        "EncCastCbc",
        "EncAesCbc",
        "EncCamelliaCbc",
    ];
    const HASH: [&str; 6] =
        ["HashMd5", "HashSha", "HashTiger", "HashSha2_256", "HashSha2_384", "HashSha2_512"];
    const AUTH: [&str; 11] = [
        "AuthPreSharedKey",
        "AuthDssSignatures",
        "AuthRsaSignatures",
        "AuthEncryptionWithRsa",
        "AuthRevisedEncryptionWithRsa",
        "AuthReserved",
        "AuthReserved",
        "AuthReserved",
        "AuthEcdsaSha256",
        "AuthEcdsaSha384",
        "AuthEcdsaSha512",
    ];
    const GROUP: [&str; 30] = [
        "GroupDefault768BitModp",
        "GroupAlternate1024BitModpGroup",
        "GroupEc2nOnGp2p155",
        "GroupEc2nOnGp2p185",
        "GroupModp1536Bit",
        "GroupEc2nOverGf2p163",
        "GroupEc2nOverGf2p163",
        "GroupEc2nOverGf2p283",
        "GroupEc2nOverGf2p283",
        "GroupEc2nOverGf2p409",
        "GroupEc2nOverGf2p409",
        "GroupEc2nOverGf2p571",
        "GroupEc2nOverGf2p571",
        "GroupModp2048Bit",
        "GroupModp3072Bit",
        "GroupModp4096Bit",
        "GroupModp6144Bit",
        "GroupModp8192Bit",
        "GroupRandomEcp256",
        "GroupRandomEcp384",
        "GroupRandomEcp521",
        "GroupModp1024With160BitPrime",
        "GroupModp2048With224BitPrime",
        "GroupModp2048With256BitPrime",
        "GroupRandomEcp192",
        "GroupRandomEcp224",
        "GroupBrainpoolEcp224",
        "GroupBrainpoolEcp256",
        "GroupBrainpoolEcp384",
        "GroupBrainpoolEcp512",
    ];
    let names: &[&str] = match ATTRIBUTES.get(attribute).map(|(name, _)| *name) {
        Some("alg_enc") => &ENC,
        Some("alg_hash") => &HASH,
        Some("alg_auth") => &AUTH,
        Some("alg_dh") => &GROUP,
        Some("sa_life_type") => &["LifeTypeSeconds", "LifeTypeKilobytes"],
        _ => &[],
    };
    let at = usize::try_from(value).ok().and_then(|value| value.checked_sub(1));
    at.and_then(|at| names.get(at)).copied().unwrap_or("Unknown")
}

/// The name of a value of an attribute of version 2, RFC 7296 section 3.3.2.
pub(super) fn value_v2(attribute: usize, value: u64) -> String {
    const ENC: &[(u64, &str)] = &[
        (1, "ENCR_DES_IV64"),
        (2, "ENCR_DES"),
        (3, "ENCR_3DES"),
        (4, "ENCR_RC5"),
        (5, "ENCR_IDEA"),
        (6, "ENCR_CAST"),
        (7, "ENCR_BLOWFISH"),
        (8, "ENCR_3IDEA"),
        (9, "ENCR_DES_IV32"),
        (11, "ENCR_NULL"),
        (12, "ENCR_AES_CBC"),
        (13, "ENCR_AES_CTR"),
        (14, "ENCR_AES_CCM_8"),
        (15, "ENCR_AES_CCM_12"),
        (16, "ENCR_AES_CCM_16"),
        (18, "ENCR_AES_GCM_8"),
        (19, "ENCR_AES_GCM_12"),
        (20, "ENCR_AES_GCM_16"),
        (21, "ENCR_NULL_AUTH_AES_GMAC"),
        (23, "ENCR_CAMELLIA_CBC"),
        (24, "ENCR_CAMELLIA_CTR"),
        (25, "ENCR_CAMELLIA_CCM_8"),
        (26, "ENCR_CAMELLIA_CCM_12"),
        (27, "ENCR_CAMELLIA_CCM_16"),
        (28, "ENCR_CHACHA20_POLY1305"),
    ];
    const PRF: &[(u64, &str)] = &[
        (0, "PRF_NULL"),
        (1, "PRF_HMAC_MD5"),
        (2, "PRF_HMAC_SHA1"),
        (3, "PRF_HMAC_TIGER"),
        (4, "PRF_AES128_XCBC"),
        (5, "PRF_HMAC_SHA2_256"),
        (6, "PRF_HMAC_SHA2_384"),
        (7, "PRF_HMAC_SHA2_512"),
        (8, "PRF_AES128_CMAC"),
    ];
    const AUTH: &[(u64, &str)] = &[
        (0, "NONE"),
        (1, "AUTH_HMAC_MD5_96"),
        (2, "AUTH_HMAC_SHA1_96"),
        (3, "AUTH_DES_MAC"),
        (4, "AUTH_KPDK_MD5"),
        (5, "AUTH_AES_XCBC_96"),
        (6, "AUTH_HMAC_MD5_128"),
        (7, "AUTH_HMAC_SHA1_160"),
        (8, "AUTH_AES_CMAC_96"),
        (9, "AUTH_AES_128_GMAC"),
        (10, "AUTH_AES_192_GMAC"),
        (11, "AUTH_AES_256_GMAC"),
        (12, "AUTH_HMAC_SHA2_256_128"),
        (13, "AUTH_HMAC_SHA2_384_192"),
        (14, "AUTH_HMAC_SHA2_512_256"),
    ];
    const DH: &[(u64, &str)] = &[
        (0, "None"),
        (1, "Modp768"),
        (2, "Modp1024"),
        (5, "Modp1536"),
        (14, "Modp2048"),
        (15, "Modp3072"),
        (16, "Modp4096"),
        (17, "Modp6144"),
        (18, "Modp8192"),
        (19, "Ecp256"),
        (20, "Ecp384"),
        (21, "Ecp521"),
        (22, "Modp1024s160"),
        (23, "Modp2048s224"),
        (24, "Modp2048s256"),
        (25, "Ecp192"),
        (26, "Ecp224"),
        (27, "BrainpoolP224r1"),
        (28, "BrainpoolP256r1"),
        (29, "BrainpoolP384r1"),
        (30, "BrainpoolP512r1"),
        (31, "Curve25519"),
        (32, "Curve448"),
    ];
    let (kind, names) = match attribute {
        ALG_ENC => ("Enc", ENC),
        ALG_PRF => ("PRF", PRF),
        ALG_AUTH => ("Auth", AUTH),
        ALG_DH => ("DH", DH),
        _ => ("ESN", &[(0, "NoESN"), (1, "ESN")][..]),
    };
    match names.iter().find(|(number, _)| *number == value) {
        Some((_, name)) => (*name).to_owned(),
        None => format!("IkeTransform{kind}Type({value} / {value:#x})"),
    }
}

/// Payloads of version 1, RFC 2408 section 3.1, RFC 3547 and RFC 3947; others are not shown.
pub(super) fn payload_v1(kind: u8) -> Option<&'static str> {
    Some(match kind {
        1 => "SecurityAssociation",
        2 => "Proposal",
        3 => "Transform",
        4 => "KeyExchange",
        5 => "Identification",
        6 => "Certificate",
        7 => "CertificateRequest",
        8 => "Hash",
        9 => "Signature",
        10 => "Nonce",
        11 => "Notification",
        12 => "Delete",
        13 => "VendorID",
        15 => "SaKekPayload",
        16 => "SaTekPayload",
        17 => "KeyDownload",
        18 => "SequenceNumber",
        19 => "ProofOfPossession",
        20 => "NatDiscovery",
        21 => "NatOriginalAddress",
        22 => "GroupAssociatedPolicy",
        _ => return None,
    })
}

/// Payloads of version 2, RFC 7296 section 3.2.
pub(super) fn payload_v2(kind: u8) -> String {
    const NAMES: [&str; 16] = [
        "SecurityAssociation",
        "KeyExchange",
        "IdentInitiator",
        "IdentResponder",
        "Certificate",
        "CertificateRequest",
        "Authentication",
        "Nonce",
        "Notify",
        "Delete",
        "VendorID",
        "TrafficSelectorInitiator",
        "TrafficSelectorResponder",
        "EncryptedAndAuthenticated",
        "Configuration",
        "ExtensibleAuthentication",
    ];
    match kind {
        0 => "NoNextPayload".to_owned(),
        33..=48 => NAMES[usize::from(kind - 33)].to_owned(),
        _ => format!("IkePayloadType({kind} / {kind:#x})"),
    }
}

/// Notifications of version 2, RFC 7296 section 3.10.1.
pub(super) fn notify(kind: u16) -> String {
    let name = match kind {
        1 => "UNSUPPORTED_CRITICAL_PAYLOAD",
        4 => "INVALID_IKE_SPI",
        5 => "INVALID_MAJOR_VERSION",
        7 => "INVALID_SYNTAX",
        9 => "INVALID_MESSAGE_ID",
        11 => "INVALID_SPI",
        14 => "NO_PROPOSAL_CHOSEN",
        17 => "INVALID_KE_PAYLOAD",
        24 => "AUTHENTICATION_FAILED",
        34 => "SINGLE_PAIR_REQUIRED",
        35 => "NO_ADDITIONAL_SAS",
        36 => "INTERNAL_ADDRESS_FAILURE",
        37 => "FAILED_CP_REQUIRED",
        38 => "TS_UNACCEPTABLE",
        39 => "INVALID_SELECTORS",
        43 => "TEMPORARY_FAILURE",
        44 => "CHILD_SA_NOT_FOUND",
        16384 => "INITIAL_CONTACT",
        16385 => "SET_WINDOW_SIZE",
        16386 => "ADDITIONAL_TS_POSSIBLE",
        16387 => "IPCOMP_SUPPORTED",
        16388 => "NAT_DETECTION_SOURCE_IP",
        16389 => "NAT_DETECTION_DESTINATION_IP",
        16390 => "COOKIE",
        16391 => "USE_TRANSPORT_MODE",
        16392 => "HTTP_CERT_LOOKUP_SUPPORTED",
        16393 => "REKEY_SA",
        16394 => "ESP_TFC_PADDING_NOT_SUPPORTED",
        16395 => "NON_FIRST_FRAGMENTS_ALSO",
        16404 => "MULTIPLE_AUTH_SUPPORTED",
        16405 => "ANOTHER_AUTH_FOLLOWS",
        16406 => "REDIRECT_SUPPORTED",
        16430 => "IKEV2_FRAGMENTATION_SUPPORTED",
        16431 => "SIGNATURE_HASH_ALGORITHMS",
        _ => return format!("NotifyType({kind} / {kind:#x})"),
    };
    name.to_owned()
}

/// Exchanges of version 1, RFC 2408 section 3.1 and RFC 2409 appendix A.
pub(super) fn exchange_v1(kind: u8) -> Option<&'static str> {
    Some(match kind {
        0 => "Unknown Exchange Type",
        1 => "Base",
        2 => "Identity Protection",
        3 => "Authentication Only",
        4 => "Aggressive",
        5 => "Informational",
        6 => "Transaction (Config Mode)",
        32 => "Quick Mode",
        33 => "New Group Mode",
        _ => return None,
    })
}
